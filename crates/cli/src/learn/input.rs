//! One input: a file or standard input, unpacked, its form told by how it begins.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use latchkey_policy::learn::read::MAX_LINE_BYTES;

use super::export;
use super::intake::Intake;

/// How much is read at once, and looked at to tell the form.
const BUFFER_BYTES: usize = 64 * 1024;

/// After how many lines the progress is shown anew.
const LINES_PER_SHOW: u64 = 16 * 1024;

/// An input cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("open {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
}

/// How an input is written.
enum Form {
    /// Comma-separated values with a line of names.
    Csv,
    /// JSON values that are no lines.
    Document,
    /// A record in each line.
    Lines,
}

/// A file that is open.
pub(crate) struct Input {
    path: PathBuf,
    reader: Box<dyn Read>,
    packed: Arc<AtomicU64>,
    progress: ProgressBar,
}

impl Input {
    pub(crate) fn open(path: &Path) -> Result<Self, InputError> {
        let packed = Arc::new(AtomicU64::new(0));
        let (source, bytes): (Box<dyn Read>, _) = if path == Path::new("-") {
            (Box::new(io::stdin().lock()), None)
        } else {
            let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
            let (bytes, file) = opened.map_err(|source| InputError::Open {
                path: path.to_owned(),
                source,
            })?;
            (Box::new(file), Some(bytes))
        };
        Ok(Self {
            path: path.to_owned(),
            reader: Box::new(Counted {
                reader: source,
                bytes: Arc::clone(&packed),
            }),
            packed,
            progress: progress(path, bytes),
        })
    }

    /// Reads all of it and returns how many unpacked bytes that were.
    pub(crate) fn read(self, intake: &mut Intake) -> Result<u64, InputError> {
        let path = self.path.clone();
        self.read_all(intake)
            .map_err(|source| InputError::Read { path, source })
    }

    fn read_all(self, intake: &mut Intake) -> io::Result<u64> {
        intake.name = self.path.display().to_string();
        intake.line = 0;
        let unpacked = Arc::new(AtomicU64::new(0));
        let (start, reader) = begun(self.reader)?;
        let reader: Box<dyn Read> = if start.starts_with(&[0x1f, 0x8b]) {
            Box::new(MultiGzDecoder::new(Cursor::new(start).chain(reader)))
        } else {
            Box::new(Cursor::new(start).chain(reader))
        };
        let counted = Counted {
            reader,
            bytes: Arc::clone(&unpacked),
        };
        let (start, reader) = begun(Box::new(counted))?;
        let form = form(&start);
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(start).chain(reader));
        match form {
            Form::Csv => export::read_csv(reader, intake)?,
            Form::Document => export::read_document(reader, intake)?,
            Form::Lines => {
                let show = || {
                    self.progress
                        .set_position(self.packed.load(Ordering::Relaxed))
                };
                read_lines(&mut reader, intake, show)?;
            }
        }
        self.progress.finish_and_clear();
        Ok(unpacked.load(Ordering::Relaxed))
    }
}

/// Shows progress on standard error, if that is a terminal.
fn progress(path: &Path, bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => (
            ProgressBar::new(bytes),
            "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{msg} {spinner} {bytes} {bytes_per_sec}",
        ),
    };
    let bar = bar.with_message(path.display().to_string());
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Counts the bytes that are read.
struct Counted<R> {
    reader: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let added = u64::try_from(count).unwrap_or(u64::MAX);
        self.bytes.fetch_add(added, Ordering::Relaxed);
        Ok(count)
    }
}

/// Reads the beginning.
fn begun(mut reader: Box<dyn Read>) -> io::Result<(Vec<u8>, Box<dyn Read>)> {
    let mut start = Vec::with_capacity(BUFFER_BYTES);
    let limit = u64::try_from(BUFFER_BYTES).unwrap_or(u64::MAX);
    reader.by_ref().take(limit).read_to_end(&mut start)?;
    Ok((start, reader))
}

/// Tells the form by the beginning.
fn form(start: &[u8]) -> Form {
    let start = start
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(start)
        .trim_ascii_start();
    let line = start
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default()
        .trim_ascii_end();
    let holds = |text: &[u8]| line.windows(text.len()).any(|window| window == text);
    match line.first() {
        Some(b'[') => Form::Document,
        Some(b'{') if !line.ends_with(b"}") && start.len() > line.len() => Form::Document,
        Some(b'{') if export::MEMBERS.iter().any(|name| holds(name.as_bytes())) => Form::Document,
        Some(_) if !line.contains(&b'{') && export::is_header(line) => Form::Csv,
        Some(_) | None => Form::Lines,
    }
}

fn read_lines(reader: &mut impl BufRead, intake: &mut Intake, show: impl Fn()) -> io::Result<()> {
    let mut line = Vec::new();
    // One byte more than a line may have shows that it is too long.
    let limit = u64::try_from(MAX_LINE_BYTES + 1).unwrap_or(u64::MAX);
    loop {
        line.clear();
        if reader.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.len() > MAX_LINE_BYTES && !line.ends_with(b"\n") {
            reader.skip_until(b'\n')?;
        }
        intake.line(&line);
        if intake.line.is_multiple_of(LINES_PER_SHOW) {
            show();
        }
    }
}
