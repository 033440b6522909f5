//! Follows a file that others append to: whole lines, in order, across renaming and truncation.
//!
//! The end of the file as it was is read before the one that took its place, so that nothing is
//! lost at a rotation. A line longer than [`MAX_LINE_BYTES`] is given up, and so is one that a
//! rotation cut off; both are counted.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// How much is read at once.
const CHUNK_BYTES: u64 = 256 * 1024;
/// How long a line may be; a record is bounded far below it.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// With the first line of the file.
    Beginning,
    /// With what is written from now on.
    End,
}

/// What one reading brought.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Whole lines, each with its line feed.
    pub(super) lines: Vec<u8>,
    /// How many lines were given up.
    pub(super) lost_lines: u64,
    /// Whether there is more to read at once.
    pub(super) has_more: bool,
}

/// The file cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(super) enum FollowError {
    #[error("{operation} {}", path.display())]
    File {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is no regular file, so it is no audit log", .0.display())]
    NoFile(PathBuf),
}

/// What names a file while it exists, whatever it is called: its device and number.
type Place = (u64, u64);

/// One file, and how far it has been read.
#[derive(Debug)]
pub(super) struct Follower {
    path: PathBuf,
    file: File,
    place: Place,
    position: u64,
    /// The beginning of a line whose end is not written yet.
    begun: Vec<u8>,
    /// Whether the line under way is too long and what comes of it is dropped.
    skips: bool,
}

impl Follower {
    pub(super) fn open(path: &Path, start: Start) -> Result<Self, FollowError> {
        let (mut file, place) = open(path)?;
        let position = match start {
            Start::Beginning => 0,
            Start::End => {
                let sought = file.seek(SeekFrom::End(0));
                sought.map_err(|source| failed("read", path, source))?
            }
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            place,
            position,
            begun: Vec::new(),
            skips: false,
        })
    }

    /// Reads what has been written since, up to a bound; nothing new is an empty batch.
    pub(super) fn read(&mut self) -> Result<Batch, FollowError> {
        // Looked at first: what is written into the old file after this was never promised.
        let successor = self.successor()?;
        let mut batch = Batch::default();
        self.begin_anew_if_cut(&mut batch)?;
        let read = self.read_chunk(&mut batch)?;
        batch.has_more = read == CHUNK_BYTES;
        if let Some((file, place)) = successor.filter(|_| !batch.has_more) {
            self.give_up_line(&mut batch);
            (self.file, self.place, self.position) = (file, place, 0);
            batch.has_more = true;
        }
        Ok(batch)
    }

    /// Returns the file that lies at the path now, if it is another one; none lies there for a
    /// moment while the log is rotated.
    fn successor(&self) -> Result<Option<(File, Place)>, FollowError> {
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed("look at", &self.path, source)),
            Ok(there) if place(&there) == self.place => return Ok(None),
            Ok(_) => {}
        }
        match open(&self.path) {
            Err(FollowError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            opened => opened.map(Some),
        }
    }

    fn begin_anew_if_cut(&mut self, batch: &mut Batch) -> Result<(), FollowError> {
        let length = self.file.metadata().map(|metadata| metadata.len());
        let length = length.map_err(|source| failed("look at", &self.path, source))?;
        if length < self.position {
            self.give_up_line(batch);
            let sought = self.file.seek(SeekFrom::Start(0));
            self.position = sought.map_err(|source| failed("read", &self.path, source))?;
        }
        Ok(())
    }

    fn read_chunk(&mut self, batch: &mut Batch) -> Result<u64, FollowError> {
        let mut chunk = Vec::new();
        let read = (&self.file).take(CHUNK_BYTES).read_to_end(&mut chunk);
        read.map_err(|source| failed("read", &self.path, source))?;
        let read = chunk.len() as u64;
        self.position += read;
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.take_piece(piece, batch);
        }
        Ok(read)
    }

    /// Adds a piece to the line under way, which goes out with its line feed.
    fn take_piece(&mut self, piece: &[u8], batch: &mut Batch) {
        let is_end = piece.ends_with(b"\n");
        if self.begun.len() + piece.len() > MAX_LINE_BYTES {
            self.begun.clear();
            self.skips = true;
        }
        if self.skips {
            if is_end {
                self.skips = false;
                batch.lost_lines += 1;
            }
            return;
        }
        self.begun.extend_from_slice(piece);
        if is_end {
            batch.lines.append(&mut self.begun);
        }
    }

    /// Forgets a line whose end will not come.
    fn give_up_line(&mut self, batch: &mut Batch) {
        if self.skips || !self.begun.is_empty() {
            batch.lost_lines += 1;
        }
        self.begun.clear();
        self.skips = false;
    }
}

fn open(path: &Path) -> Result<(File, Place), FollowError> {
    // Looked at before it is opened: opening a pipe would wait for a writer.
    let metadata = fs::metadata(path).map_err(|source| failed("look at", path, source))?;
    if !metadata.is_file() {
        return Err(FollowError::NoFile(path.to_owned()));
    }
    let file = File::open(path).map_err(|source| failed("open", path, source))?;
    let metadata = file.metadata();
    let metadata = metadata.map_err(|source| failed("look at", path, source))?;
    Ok((file, place(&metadata)))
}

fn place(metadata: &fs::Metadata) -> Place {
    (metadata.dev(), metadata.ino())
}

fn failed(operation: &'static str, path: &Path, source: io::Error) -> FollowError {
    FollowError::File {
        operation,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    struct Log {
        folder: tempfile::TempDir,
    }

    impl Log {
        fn with(text: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let log = Self { folder };
            fs::write(log.path(), text).unwrap();
            log
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("audit.jsonl")
        }

        fn append(&self, text: &str) {
            let mut file = File::options().append(true).open(self.path()).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn rotate(&self) {
            fs::rename(self.path(), self.folder.path().join("audit.jsonl.1")).unwrap();
        }
    }

    /// Reads until there is nothing more, and returns the text and how many lines were given up.
    fn drain(follower: &mut Follower) -> (String, u64) {
        let (mut text, mut lost) = (String::new(), 0);
        loop {
            let batch = follower.read().unwrap();
            text += std::str::from_utf8(&batch.lines).unwrap();
            lost += batch.lost_lines;
            if !batch.has_more {
                return (text, lost);
            }
        }
    }

    #[test]
    fn line_is_read_once_and_only_when_it_is_whole() {
        let log = Log::with("before\n");
        let mut follower = Follower::open(&log.path(), Start::End).unwrap();
        assert_eq!(drain(&mut follower), (String::new(), 0));
        log.append("on");
        assert_eq!(drain(&mut follower), (String::new(), 0));
        log.append("e\ntwo\nthr");
        assert_eq!(drain(&mut follower), ("one\ntwo\n".to_owned(), 0));
        log.append("ee\n");
        assert_eq!(drain(&mut follower), ("three\n".to_owned(), 0));
    }

    #[test]
    fn beginning_is_read_where_it_is_asked_for() {
        let log = Log::with("before\n");
        let mut follower = Follower::open(&log.path(), Start::Beginning).unwrap();
        assert_eq!(drain(&mut follower), ("before\n".to_owned(), 0));
    }

    #[test]
    fn renamed_file_is_read_to_its_end_before_the_next_one() {
        let log = Log::with("");
        let mut follower = Follower::open(&log.path(), Start::End).unwrap();
        log.append("last of the old\n");
        log.rotate();
        assert_eq!(drain(&mut follower).0, "last of the old\n");
        fs::write(log.path(), "first of the new\n").unwrap();
        assert_eq!(drain(&mut follower), ("first of the new\n".to_owned(), 0));
    }

    #[test]
    fn line_that_a_rotation_cuts_off_is_counted() {
        let log = Log::with("");
        let mut follower = Follower::open(&log.path(), Start::End).unwrap();
        log.append("half");
        log.rotate();
        fs::write(log.path(), "new\n").unwrap();
        assert_eq!(drain(&mut follower), ("new\n".to_owned(), 1));
    }

    #[test]
    fn truncated_file_is_read_from_its_beginning() {
        let log = Log::with("old and long\n");
        let mut follower = Follower::open(&log.path(), Start::End).unwrap();
        fs::write(log.path(), "new\n").unwrap();
        assert_eq!(drain(&mut follower), ("new\n".to_owned(), 0));
    }

    #[test]
    fn line_without_end_takes_bounded_memory_and_is_counted() {
        let log = Log::with("");
        let mut follower = Follower::open(&log.path(), Start::End).unwrap();
        log.append(&"x".repeat(3 * MAX_LINE_BYTES));
        assert_eq!(drain(&mut follower), (String::new(), 0));
        assert!(follower.begun.len() <= MAX_LINE_BYTES);
        log.append("\nnext\n");
        assert_eq!(drain(&mut follower), ("next\n".to_owned(), 1));
    }

    #[test]
    fn folder_and_absent_file_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Follower::open(folder.path(), Start::End).unwrap_err();
        assert!(error.to_string().contains("is no regular file"), "{error}");
        let absent = folder.path().join("absent");
        let error = Follower::open(&absent, Start::End).unwrap_err();
        assert!(error.to_string().contains("absent"), "{error}");
    }
}
