//! Names of labs that tell whether the process that made them still lives.
//!
//! The name holds the process id and the start time, so that a leftover is recognised also when
//! its process id has been given to another program since.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

use crate::files::{self, FileError};

/// What the names of a lab's control group and pin directory begin with.
const PREFIX: &str = "latchkey-lab-";

/// One life of one process: its id and when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessId {
    /// The process id in the machine's pid namespace.
    pub pid: u32,
    /// When it started, in clock ticks since boot (`/proc/<pid>/stat`, field 22).
    pub start: u64,
}

impl ProcessId {
    /// Returns the identity of the process that has this id now.
    ///
    /// # Errors
    /// There is no such process, or it has ended and only its parent has not noticed.
    pub fn of(pid: u32) -> Result<Self, ProcessIdError> {
        let path = PathBuf::from(format!("/proc/{pid}/stat"));
        let stat = files::read(&path)?;
        let (state, start) = state_and_start(&stat).ok_or(ProcessIdError::Malformed { pid })?;
        if matches!(state, "Z" | "X") {
            return Err(ProcessIdError::Ended { pid });
        }
        Ok(Self { pid, start })
    }

    /// Returns whether this very process, not a later one of the same id, still runs.
    ///
    /// In doubt it does: what belongs to a living process must not be taken for a leftover because
    /// the caller has, say, no descriptor left to look with.
    #[must_use]
    pub fn is_alive(self) -> bool {
        match Self::of(self.pid) {
            Ok(now) => now == self,
            Err(ProcessIdError::Ended { .. }) => false,
            Err(ProcessIdError::Malformed { .. }) => true,
            Err(ProcessIdError::File(error)) => !is_gone(&error.source),
        }
    }
}

/// Whether the kernel says that there is no such process; it may end between open and read.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// Reads the process state and the start time out of `/proc/<pid>/stat`.
fn state_and_start(stat: &str) -> Option<(&str, u64)> {
    // The command name may hold blanks and brackets; the last bracket ends it.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?.parse().ok()?;
    Some((state, start))
}

/// Why a process could not be identified.
#[derive(Debug, thiserror::Error)]
pub enum ProcessIdError {
    /// Its entry in `/proc` could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It has ended and waits for its parent.
    #[error("process {pid} has ended")]
    Ended {
        /// The process id.
        pid: u32,
    },
    /// The kernel's line is not as documented in proc(5).
    #[error("`/proc/{pid}/stat` is not as documented in proc(5)")]
    Malformed {
        /// The process id.
        pid: u32,
    },
}

/// The name of a lab: the process that made it, and a number within that process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabId {
    owner: ProcessId,
    ordinal: u32,
}

impl LabId {
    /// Returns a name that no lab has had before.
    ///
    /// # Errors
    /// `/proc` is not readable.
    pub fn next() -> Result<Self, ProcessIdError> {
        static ORDINAL: AtomicU32 = AtomicU32::new(1);
        let owner = ProcessId::of(std::process::id())?;
        Ok(Self {
            owner,
            ordinal: ORDINAL.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// Returns the process that made the lab.
    #[must_use]
    pub fn owner(self) -> ProcessId {
        self.owner
    }

    /// Returns the name of the lab's control group and of its pin directory.
    #[must_use]
    pub fn group_name(self) -> String {
        format!("{PREFIX}{self}")
    }

    /// Returns the lab that a control group or pin directory belongs to, if it is a lab's at all.
    #[must_use]
    pub fn from_group_name(name: &str) -> Option<Self> {
        name.strip_prefix(PREFIX)?.parse().ok()
    }
}

impl fmt::Display for LabId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}-{}-{}",
            self.owner.pid, self.owner.start, self.ordinal
        )
    }
}

/// A text that is no lab's name.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the id of a lab; `latchkey-lab list` shows those that stand")]
pub struct LabIdError(String);

impl FromStr for LabId {
    type Err = LabIdError;

    fn from_str(text: &str) -> Result<Self, LabIdError> {
        let parse = || {
            let mut parts = text.split('-');
            let pid = parts.next()?.parse().ok()?;
            let start = parts.next()?.parse().ok()?;
            let ordinal = parts.next()?.parse().ok()?;
            let id = Self {
                owner: ProcessId { pid, start },
                ordinal,
            };
            // Only the one spelling that `Display` writes: names are compared with directories.
            (parts.next().is_none() && id.to_string() == text).then_some(id)
        };
        parse().ok_or_else(|| LabIdError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_is_alive_and_its_predecessor_of_the_same_id_is_not() {
        let own = ProcessId::of(std::process::id()).unwrap();
        assert!(own.is_alive());
        assert!(
            !ProcessId {
                start: own.start - 1,
                ..own
            }
            .is_alive()
        );
    }

    #[test]
    fn name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let stat = "7 (a) S 1) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        assert_eq!(state_and_start(stat), Some(("R", 4242)));
    }

    #[test]
    fn ids_are_never_given_twice_and_survive_their_spelling() {
        let (one, two) = (LabId::next().unwrap(), LabId::next().unwrap());
        assert_ne!(one, two);
        assert_eq!(LabId::from_group_name(&one.group_name()), Some(one));
    }

    #[test]
    fn names_of_others_are_no_labs() {
        for name in [
            "system.slice",
            "latchkey-lab-",
            "latchkey-lab-1-2",
            "latchkey-lab-1-2-3-4",
        ] {
            assert_eq!(LabId::from_group_name(name), None, "{name}");
        }
        assert_eq!(LabId::from_group_name("latchkey-lab-01-2-3"), None);
        assert_eq!(LabId::from_group_name("latchkey-lab-1-2-3/.."), None);
    }
}
