//! The audit trail: one record for every request that reached the agent, whatever became of it.
//!
//! A place in the bounded queue is taken before a request is judged, and the record goes
//! out when its guard is dropped: no path through the proxy can forget it. One writer
//! appends JSON lines; while it cannot write, the queue fills and Enforce refuses.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use latchkey_record::AuditRecord;
use latchkey_record::audit::{AUDIT_VERSION, Outcome};
use rustix::fs::{Mode, OFlags};
use tokio::sync::mpsc::{self, OwnedPermit};

use crate::counters::Counters;
use crate::file::FileError;

/// How many records are written at once.
const BATCH: usize = 1024;
/// How long a record may wait for others to be written with.
const GATHER: Duration = Duration::from_millis(20);
/// How long the writer waits after a failed write.
const RETRY: Duration = Duration::from_millis(500);
/// How often the writer tries once the agent stops.
const LAST_TRIES: u32 = 4;

/// Where records go, and how much is kept.
#[derive(Clone, Debug)]
pub struct AuditConfig {
    /// The file that is appended to.
    pub file: PathBuf,
    /// How many records may wait.
    pub queue: usize,
    /// The size in bytes at which the file is renamed and a new one begun.
    pub max_file_bytes: u64,
    /// How many renamed files are kept.
    pub keep_files: u32,
}

/// The entrance to the audit trail.
#[derive(Clone, Debug)]
pub struct AuditTrail {
    queue: mpsc::Sender<AuditRecord>,
    counters: Arc<Counters>,
}

/// The exit of the audit trail: must run for records to be written.
#[derive(Debug)]
pub struct AuditWriter {
    queue: mpsc::Receiver<AuditRecord>,
    file: AuditFile,
    run: String,
    sequence: u64,
    lost: u64,
    counters: Arc<Counters>,
}

/// Opens the audit trail.
///
/// # Errors
/// When the file cannot be opened.
pub fn open(
    config: AuditConfig,
    counters: Arc<Counters>,
) -> Result<(AuditTrail, AuditWriter), AuditError> {
    let (sender, receiver) = mpsc::channel(config.queue.max(1));
    let mut run = [0; 8];
    getrandom::fill(&mut run).map_err(AuditError::Random)?;
    let writer = AuditWriter {
        queue: receiver,
        file: AuditFile::open(config)?,
        run: hex::encode(run),
        sequence: 0,
        lost: 0,
        counters: Arc::clone(&counters),
    };
    Ok((
        AuditTrail {
            queue: sender,
            counters,
        },
        writer,
    ))
}

/// The audit trail could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file cannot be used.
    #[error("{operation} the audit file {path}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The file is not one that only the agent's user can have written.
    #[error("use the audit file")]
    Foreign(#[source] FileError),
    /// The kernel gave no random bytes.
    #[error("get random bytes to name this run")]
    Random(#[source] getrandom::Error),
}

/// Whether the trail can hold one more record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// A place is taken.
    Reserved,
    /// The record will be lost, and is counted.
    Full,
}

impl AuditTrail {
    /// Begins the record of a request and takes a place in the queue for it.
    #[must_use]
    pub fn begin(&self) -> (AuditGuard, QueueState) {
        let place = self.queue.clone().try_reserve_owned().ok();
        let state = if place.is_some() {
            QueueState::Reserved
        } else {
            QueueState::Full
        };
        if state == QueueState::Full {
            self.counters.audit_lost.add();
        }
        (
            AuditGuard {
                record: blank_record(),
                began: Instant::now(),
                place,
                counters: Arc::clone(&self.counters),
            },
            state,
        )
    }
}

fn blank_record() -> AuditRecord {
    AuditRecord {
        version: AUDIT_VERSION,
        sequence: 0,
        run: String::new(),
        time: Timestamp::now(),
        duration_us: 0,
        endpoint: None,
        kind: None,
        destination: None,
        method: None,
        target: None,
        caller: None,
        mode: None,
        rules: None,
        rule: None,
        outcome: Outcome::Abandoned,
        reason: None,
        would_refuse: None,
        signed: false,
        status: None,
    }
}

/// The record of a request under way; sent to the writer when dropped, as *abandoned* unless
/// its outcome was set.
#[derive(Debug)]
pub struct AuditGuard {
    /// What is known so far.
    pub record: AuditRecord,
    began: Instant,
    place: Option<OwnedPermit<AuditRecord>>,
    counters: Arc<Counters>,
}

impl AuditGuard {
    fn count(&self) {
        self.counters.requests.add();
        match self.record.outcome {
            Outcome::Forwarded => self.counters.requests_forwarded.add(),
            Outcome::Refused => self.counters.requests_refused.add(),
            Outcome::Failed => self.counters.requests_failed.add(),
            Outcome::Abandoned => self.counters.requests_abandoned.add(),
        }
        if self.record.would_refuse.is_some() {
            self.counters.requests_would_refuse.add();
        }
    }
}

impl Drop for AuditGuard {
    fn drop(&mut self) {
        self.count();
        let Some(place) = self.place.take() else {
            return;
        };
        let mut record = std::mem::replace(&mut self.record, blank_record());
        record.duration_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        drop(place.send(record));
    }
}

impl AuditWriter {
    /// Writes records until every [`AuditTrail`] is dropped and the queue is empty. Blocks.
    pub fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.queue.blocking_recv_many(&mut batch, BATCH) > 0 {
            self.gather(&mut batch);
            let lines = self.lines(&mut batch);
            self.write(&lines);
        }
    }

    /// Waits a moment for more: a wake-up and a write per record would cost more than the record.
    fn gather(&mut self, batch: &mut Vec<AuditRecord>) {
        if !self.queue.is_closed() {
            std::thread::park_timeout(GATHER);
        }
        while batch.len() < BATCH {
            match self.queue.try_recv() {
                Ok(record) => batch.push(record),
                Err(_) => return,
            }
        }
    }

    fn lines(&mut self, batch: &mut Vec<AuditRecord>) -> Vec<u8> {
        let mut lines = Vec::with_capacity(batch.len() * 512);
        // What the queue could not take leaves a gap.
        let lost = self.counters.audit_lost.value();
        self.sequence += lost - std::mem::replace(&mut self.lost, lost);
        for mut record in batch.drain(..) {
            self.sequence += 1;
            record.sequence = self.sequence;
            record.run.clone_from(&self.run);
            // Plain data into a vector does not fail.
            if serde_json::to_writer(&mut lines, &record).is_ok() {
                lines.push(b'\n');
            }
        }
        lines
    }

    /// Tries until it works; once nobody can add records any more, only a few times.
    fn write(&mut self, lines: &[u8]) {
        let mut last_tries = 0;
        while let Err(error) = self.file.append(lines) {
            self.counters.audit_write_errors.add();
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "audit records cannot be written"
            );
            if self.queue.is_closed() && self.queue.sender_strong_count() == 0 {
                last_tries += 1;
                if last_tries >= LAST_TRIES {
                    return;
                }
            }
            std::thread::park_timeout(RETRY);
        }
    }
}

/// The file, renamed when it has grown.
#[derive(Debug)]
struct AuditFile {
    config: AuditConfig,
    file: File,
    size: u64,
}

impl AuditFile {
    fn open(config: AuditConfig) -> Result<Self, AuditError> {
        let (file, size) = open_for_append(&config.file)?;
        Ok(Self { config, file, size })
    }

    fn append(&mut self, lines: &[u8]) -> Result<(), AuditError> {
        if self.size > 0 && self.size + lines.len() as u64 > self.config.max_file_bytes {
            self.rotate()?;
        }
        if !self.is_in_place() {
            (self.file, self.size) = open_for_append(&self.config.file)?;
        }
        let length_before = self.size;
        let failed = |source| AuditError::File {
            operation: "write",
            path: self.config.file.clone(),
            source,
        };
        if let Err(error) = self.file.write_all(lines) {
            // A record cut in half must not stay in the way of the next try.
            self.file.set_len(length_before).map_err(failed)?;
            return Err(failed(error));
        }
        self.size += lines.len() as u64;
        Ok(())
    }

    /// Returns whether the open file still is the one at its path: not removed, moved or cut.
    fn is_in_place(&self) -> bool {
        let (Ok(open), Ok(there)) = (
            self.file.metadata(),
            fs::symlink_metadata(&self.config.file),
        ) else {
            return false;
        };
        (open.dev(), open.ino(), open.len()) == (there.dev(), there.ino(), self.size)
    }

    /// Renames `file` to `file.1`, `file.1` to `file.2` and so on, and begins a new file.
    fn rotate(&mut self) -> Result<(), AuditError> {
        let path = &self.config.file;
        let numbered = |number: u32| {
            let mut name = path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        let failed = |source| AuditError::File {
            operation: "rename",
            path: path.clone(),
            source,
        };
        let rename = |from: &Path, to: &Path| match fs::rename(from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        };
        // After a try that got no further than this the file is renamed already.
        if path.try_exists().map_err(failed)? {
            for number in (1..self.config.keep_files).rev() {
                rename(&numbered(number), &numbered(number + 1))?;
            }
            rename(path, &numbered(1))?;
        }
        (self.file, self.size) = open_for_append(path)?;
        Ok(())
    }
}

fn open_for_append(path: &Path) -> Result<(File, u64), AuditError> {
    let failed = |operation| {
        move |source| AuditError::File {
            operation,
            path: path.to_owned(),
            source,
        }
    };
    // Without waiting for a reader, should it be a pipe.
    let flags = OFlags::RDWR
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)
        .map(File::from)
        .map_err(|error| failed("open")(error.into()))?;
    let found = file.metadata().map_err(failed("look at"))?;
    // SECURITY: who can write to the trail can take records out of it.
    let expected = rustix::process::geteuid().as_raw();
    if !found.is_file() || found.uid() != expected || found.mode() & 0o022 != 0 {
        return Err(AuditError::Foreign(FileError::NotPrivate {
            path: path.to_owned(),
            expected,
        }));
    }
    let added = end_torn_line(&file, found.len()).map_err(failed("mend"))?;
    Ok((file, found.len() + added))
}

/// Ends the line that a killed run may have left without an end: it must not take the next record
/// with it. Returns how many bytes that took.
fn end_torn_line(mut file: &File, size: u64) -> io::Result<u64> {
    let mut last = [b'\n'];
    if size > 0 {
        file.read_exact_at(&mut last, size - 1)?;
    }
    if last == *b"\n" {
        return Ok(0);
    }
    file.write_all(b"\n").map(|()| 1)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use rustix::fs::FileType;

    use super::*;

    fn config(folder: &Path) -> AuditConfig {
        AuditConfig {
            file: folder.join("audit.jsonl"),
            queue: 2,
            max_file_bytes: 4096,
            keep_files: 2,
        }
    }

    fn read(path: &Path) -> Vec<AuditRecord> {
        let text = fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn request_that_nobody_finished_is_recorded_as_abandoned() {
        let folder = tempfile::tempdir().unwrap();
        let (trail, writer) = open(config(folder.path()), Arc::default()).unwrap();
        drop(trail.begin());
        let (mut guard, state) = trail.begin();
        assert_eq!(state, QueueState::Reserved);
        guard.record.outcome = Outcome::Forwarded;
        drop((guard, trail));
        writer.run();
        let records = read(&folder.path().join("audit.jsonl"));
        let outcomes: Vec<_> = records
            .iter()
            .map(|record| (record.sequence, record.outcome))
            .collect();
        assert_eq!(outcomes, [(1, Outcome::Abandoned), (2, Outcome::Forwarded)]);
    }

    #[test]
    fn full_queue_is_known_before_a_request_is_judged() {
        let folder = tempfile::tempdir().unwrap();
        let counters = Arc::new(Counters::default());
        let (trail, _writer) = open(config(folder.path()), Arc::clone(&counters)).unwrap();
        let places = [trail.begin(), trail.begin()];
        assert_eq!(trail.begin().1, QueueState::Full);
        assert_eq!(counters.audit_lost.value(), 1);
        drop(places);
    }

    #[test]
    fn files_are_renamed_when_they_have_grown_and_only_some_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = AuditFile::open(config(folder.path())).unwrap();
        for number in 0..5 {
            file.append(format!("{number}").repeat(3000).as_bytes())
                .unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]);
        assert!(
            fs::read_to_string(folder.path().join("audit.jsonl.1"))
                .unwrap()
                .starts_with('3')
        );
    }

    #[test]
    fn file_that_was_removed_or_cut_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut file = AuditFile::open(config(folder.path())).unwrap();
        file.append(b"one\n").unwrap();
        fs::remove_file(&path).unwrap();
        file.append(b"two\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two\n");
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(0)
            .unwrap();
        file.append(b"three\n").unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), file.size),
            (b"three\n".to_vec(), 6)
        );
    }

    #[test]
    fn rotation_that_stopped_half_way_is_taken_up_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut file = AuditFile::open(config(folder.path())).unwrap();
        file.append(&[b'a'; 3000]).unwrap();
        fs::rename(&path, folder.path().join("audit.jsonl.1")).unwrap();
        file.append(&[b'b'; 3000]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), [b'b'; 3000]);
        let kept = fs::read(folder.path().join("audit.jsonl.1")).unwrap();
        assert_eq!(kept, [b'a'; 3000]);
    }

    #[test]
    fn half_a_record_of_a_killed_run_does_not_spoil_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        for (before, after) in [
            ("", "whole\n"),
            ("one\n", "one\nwhole\n"),
            ("one\n{\"ver", "one\n{\"ver\nwhole\n"),
        ] {
            fs::write(&path, before).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let mut file = AuditFile::open(config(folder.path())).unwrap();
            file.append(b"whole\n").unwrap();
            let found = fs::read_to_string(&path).unwrap();
            assert_eq!((found.as_str(), file.size), (after, after.len() as u64));
        }
    }

    #[test]
    fn symbolic_link_as_audit_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/null", folder.path().join("audit.jsonl")).unwrap();
        assert!(open(config(folder.path()), Arc::default()).is_err());
    }

    #[test]
    fn audit_file_that_others_can_write_to_or_that_is_a_pipe_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        fs::write(&path, "").unwrap();
        for (mode, is_usable) in [(0o640, true), (0o620, false), (0o602, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let opened = AuditFile::open(config(folder.path()));
            assert_eq!(opened.is_ok(), is_usable, "{mode:o}");
        }
        fs::remove_file(&path).unwrap();
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, mode, 0).unwrap();
        assert!(AuditFile::open(config(folder.path())).is_err());
    }
}
