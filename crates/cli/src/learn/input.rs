//! One input: a file or standard input, unpacked, its form told by how it begins.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use latchkey_policy::learn::read::{MAX_LINE_BYTES, Unread};

use super::form::Form;
use super::intake::Intake;
use super::{csv, json};

/// How much is read at once, and looked at to tell the form.
const BUFFER_BYTES: usize = 64 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// After how many lines the progress is shown anew.
const LINES_PER_SHOW: u64 = 16 * 1024;

/// An input cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("open {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("read {} to its end", path.display())]
    Read { path: PathBuf, source: io::Error },
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

    /// Reads all of it; what was read before an error counts.
    pub(crate) fn read(self, intake: &mut Intake) -> Result<(), InputError> {
        let path = self.path.clone();
        intake.begin(&path.display().to_string());
        let unpacked = Arc::new(AtomicU64::new(0));
        let read = self.read_all(intake, &unpacked);
        intake.end(unpacked.load(Ordering::Relaxed), read.is_ok());
        read.map_err(|source| InputError::Read { path, source })
    }

    fn read_all(self, intake: &mut Intake, unpacked: &Arc<AtomicU64>) -> io::Result<()> {
        let (start, reader) = begun(self.reader);
        let reader: Box<dyn Read> = if start.starts_with(&[0x1f, 0x8b]) {
            Box::new(MultiGzDecoder::new(Cursor::new(start).chain(reader)))
        } else {
            Box::new(Cursor::new(start).chain(reader))
        };
        let counted = Counted {
            reader,
            bytes: Arc::clone(unpacked),
        };
        let (start, reader) = begun(Box::new(counted));
        let plain = start.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&start);
        let form = Form::of(plain);
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, plain.chain(reader));
        match form {
            Form::Csv { delimiter } => csv::read(reader, delimiter, intake)?,
            Form::Document => json::read(reader, intake)?,
            Form::Lines => {
                let show = || {
                    self.progress
                        .set_position(self.packed.load(Ordering::Relaxed))
                };
                read_lines(&mut reader, intake, show)?;
            }
        }
        self.progress.finish_and_clear();
        Ok(())
    }
}

/// Returns a file that is named twice, in whatever way.
pub(crate) fn same(paths: &[PathBuf]) -> Option<&Path> {
    let mut known = BTreeSet::new();
    let mut names = BTreeSet::new();
    let again = paths.iter().find(|path| {
        // Only a file has the same content each time; other paths are known by their names.
        let file = fs::metadata(path).ok().filter(Metadata::is_file);
        match file {
            Some(file) => !known.insert((file.dev(), file.ino())),
            None => !names.insert(*path),
        }
    });
    again.map(PathBuf::as_path)
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

/// Reads the beginning. An error ends it: it is met again, or told, by what reads on.
fn begun(mut reader: Box<dyn Read>) -> (Vec<u8>, Box<dyn Read>) {
    let mut start = Vec::with_capacity(BUFFER_BYTES);
    let limit = u64::try_from(BUFFER_BYTES).unwrap_or(u64::MAX);
    match reader.by_ref().take(limit).read_to_end(&mut start) {
        Ok(_) => (start, reader),
        Err(error) => (start, Box::new(Broken(Some(error)))),
    }
}

/// A reader that has nothing but its error.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

fn read_lines(reader: &mut impl BufRead, intake: &mut Intake, show: impl Fn()) -> io::Result<()> {
    let mut line = Vec::new();
    // One byte more than a line may have shows that it is too long.
    let limit = u64::try_from(MAX_LINE_BYTES + 1).unwrap_or(u64::MAX);
    loop {
        line.clear();
        match reader.by_ref().take(limit).read_until(b'\n', &mut line) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => {
                if !line.is_empty() {
                    intake.unread(Unread::BrokenJson, &line);
                }
                return Err(error);
            }
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
