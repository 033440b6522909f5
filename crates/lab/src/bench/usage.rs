//! What processes cost: processor time and resident memory, out of `/proc`.

use std::fs;
use std::io;
use std::path::PathBuf;

/// Clock ticks per second of the times in `/proc/PID/stat` (`USER_HZ`, fixed on Linux).
const TICKS_PER_SECOND: f64 = 100.0;

/// What some processes have used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Seconds of processor time, user and system.
    pub cpu_seconds: f64,
    /// Resident memory in KiB.
    pub rss_kib: u64,
}

/// A process could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The file could not be read.
    #[error("read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file does not have the form of proc(5).
    #[error("{path} is not of the form that proc(5) describes")]
    Form {
        /// Which file.
        path: PathBuf,
    },
}

impl Usage {
    /// Adds up what these processes have used.
    ///
    /// # Errors
    /// When one of them has ended.
    pub fn of(pids: &[u32]) -> Result<Self, UsageError> {
        pids.iter().try_fold(Self::default(), |sum, pid| {
            Ok(Self {
                cpu_seconds: sum.cpu_seconds + cpu_seconds(*pid)?,
                rss_kib: sum.rss_kib + rss_kib(*pid)?,
            })
        })
    }
}

fn read(path: PathBuf) -> Result<(PathBuf, String), UsageError> {
    match fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(source) => Err(UsageError::Read { path, source }),
    }
}

fn cpu_seconds(pid: u32) -> Result<f64, UsageError> {
    let (path, stat) = read(format!("/proc/{pid}/stat").into())?;
    parse_ticks(&stat)
        .map(|ticks| ticks / TICKS_PER_SECOND)
        .ok_or(UsageError::Form { path })
}

/// Fields 14 and 15; the name in field 2 may hold anything, so fields count from its last `)`.
fn parse_ticks(stat: &str) -> Option<f64> {
    let mut fields = stat
        .get(stat.rfind(')')? + 1..)?
        .split_ascii_whitespace()
        .skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some(next()? + next()?)
}

fn rss_kib(pid: u32) -> Result<u64, UsageError> {
    let (path, status) = read(format!("/proc/{pid}/status").into())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok())
        .ok_or(UsageError::Form { path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_process_name() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 13 14";
        assert_eq!(parse_ticks(stat), Some(200.0));
    }

    #[test]
    fn this_process_has_used_memory() {
        assert!(Usage::of(&[std::process::id()]).unwrap().rss_kib > 100);
    }
}
