//! Appends observations to a file, one JSON line each; opens it for each batch, so that it can be rotated.
//!
//! The one writer. What it cannot write is counted and said in the log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use latchkey_record::Observation;
use tokio::sync::mpsc;
use tracing::error;

const BATCH: usize = 512;

/// Writes the observations of a gateway.
#[derive(Debug)]
pub struct ObservationWriter {
    path: PathBuf,
    queue: mpsc::Receiver<Observation>,
    unwritten: Arc<AtomicU64>,
}

impl ObservationWriter {
    /// Makes a writer, and the file if it is not there.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn new(path: PathBuf, queue: mpsc::Receiver<Observation>) -> io::Result<Self> {
        end_torn_line(&path)?;
        Ok(Self {
            path,
            queue,
            unwritten: Arc::default(),
        })
    }

    /// Returns how many observations could not be written, now and later.
    #[must_use]
    pub fn unwritten(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.unwritten)
    }

    /// Writes until nobody can send any more. Blocks: give it a thread that may.
    pub fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.queue.blocking_recv_many(&mut batch, BATCH) > 0 {
            if let Err(error) = append(&self.path, &lines(&batch)) {
                self.unwritten
                    .fetch_add(batch.len() as u64, Ordering::Relaxed);
                let path = self.path.display();
                error!(%error, %path, count = batch.len(), "observations could not be written");
            }
            batch.clear();
        }
    }
}

fn lines(batch: &[Observation]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(batch.len() * 384);
    for observation in batch {
        // Plain data always serialises, and a vector takes every byte.
        if serde_json::to_writer(&mut lines, observation).is_ok() {
            lines.push(b'\n');
        }
    }
    lines
}

fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    open(path)?.write_all(bytes)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

/// Ends the line that a killed run may have left without an end: it must not take the next
/// observation with it.
fn end_torn_line(path: &Path) -> io::Result<()> {
    let mut file = open(path)?;
    let size = file.metadata()?.len();
    let mut last = [b'\n'];
    if size > 0 {
        file.read_exact_at(&mut last, size - 1)?;
    }
    if last == *b"\n" {
        return Ok(());
    }
    file.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_of_a_killed_run_does_not_spoil_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("observations.jsonl");
        for (before, after) in [
            ("", ""),
            ("one\n", "one\n"),
            ("one\n{\"ver", "one\n{\"ver\n"),
        ] {
            std::fs::write(&path, before).unwrap();
            let (_sender, queue) = mpsc::channel(1);
            drop(ObservationWriter::new(path.clone(), queue).unwrap());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }
}
