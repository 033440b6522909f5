//! Names of processes, users and files that cannot be reused while somebody relies on them.
//!
//! A process is never named by its number alone, and an executable never by its path.

use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::layout::NANOSECONDS_PER_CLOCK_TICK;

macro_rules! numeric_id {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

numeric_id! {
    /// A process (thread group) number in the initial pid namespace.
    Pid
    /// A user number in the initial user namespace.
    Uid
    /// A group number in the initial user namespace.
    Gid
}

/// When a process started: nanoseconds since boot, time in suspend included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StartTime(u64);

impl StartTime {
    /// Wraps nanoseconds since boot.
    #[must_use]
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// Returns nanoseconds since boot.
    #[must_use]
    pub const fn nanoseconds(self) -> u64 {
        self.0
    }

    /// Returns hundredths of a second since boot, the value of field 22 of `/proc/PID/stat`.
    #[must_use]
    pub const fn clock_ticks(self) -> u64 {
        self.0 / NANOSECONDS_PER_CLOCK_TICK
    }
}

/// The file that a process executes.
///
/// On overlayfs and btrfs stat(2) may show another device than the kernel's own; compare with a
/// file's [`Metadata`] only after opening it through `/proc/PID/exe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Executable {
    device: u32,
    inode: u64,
    /// Tells files apart that had the same inode number one after the other; 0 where unknown.
    generation: u32,
}

impl Executable {
    const MINOR_BITS: u32 = 20;

    /// Makes an executable of the kernel's device number (`major << 20 | minor`) and an inode.
    #[must_use]
    pub const fn new(device: u32, inode: u64) -> Self {
        Self {
            device,
            inode,
            generation: 0,
        }
    }

    /// The same with the inode's generation, which the file system chose.
    pub(crate) const fn of_generation(self, generation: u32) -> Self {
        Self { generation, ..self }
    }

    /// Returns the major device number.
    #[must_use]
    pub const fn major(self) -> u32 {
        self.device >> Self::MINOR_BITS
    }

    /// Returns the minor device number.
    #[must_use]
    pub const fn minor(self) -> u32 {
        self.device & ((1 << Self::MINOR_BITS) - 1)
    }

    /// Returns the inode number.
    #[must_use]
    pub const fn inode(self) -> u64 {
        self.inode
    }

    /// Returns whether a file's device and inode are these.
    #[must_use]
    pub fn is_file(self, file: &Metadata) -> bool {
        let device = file.dev();
        self.inode == file.ino()
            && self.major() == rustix::fs::major(device)
            && self.minor() == rustix::fs::minor(device)
    }
}

/// The one process whose connections reach the endpoints directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentProcess {
    pub(crate) pid: Pid,
    pub(crate) start_ticks: u64,
}

/// A process could not be named.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// A file of the process could not be read.
    #[error("read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file does not have the form that proc(5) describes.
    #[error("{path} has no start time in field 22")]
    NoStartTime {
        /// The file.
        path: PathBuf,
    },
    /// The agent would compare its own numbers with those of another namespace.
    #[error("the agent must run in the initial {namespace} namespace, {path} is another one")]
    ForeignNamespace {
        /// `pid` or `time`.
        namespace: &'static str,
        /// The namespace that the agent is in.
        path: PathBuf,
    },
}

/// `PROC_PID_INIT_INO` and `PROC_TIME_INIT_INO`: fixed inode numbers of the initial namespaces.
const INITIAL_NAMESPACES: [(&str, u64); 2] = [("pid", 0xEFFF_FFFC), ("time", 0xEFFF_FFFA)];

impl AgentProcess {
    /// Names the calling process.
    ///
    /// # Errors
    ///
    /// [`ProcessError`] when `/proc` cannot be read, or when the process lives in another pid or
    /// time namespace than the kernel's own, where its numbers would name somebody else.
    pub fn current() -> Result<Self, ProcessError> {
        for (namespace, initial) in INITIAL_NAMESPACES {
            let path = Path::new("/proc/self/ns").join(namespace);
            let inode = fs::metadata(&path)
                .map_err(|source| ProcessError::Read {
                    path: path.clone(),
                    source,
                })?
                .ino();
            if inode != initial {
                return Err(ProcessError::ForeignNamespace { namespace, path });
            }
        }
        Self::of(Pid(std::process::id()))
    }

    /// Names the process that has the number `pid` now.
    ///
    /// # Errors
    ///
    /// [`ProcessError`] when there is no such process or its start time cannot be read.
    pub fn of(pid: Pid) -> Result<Self, ProcessError> {
        let path = PathBuf::from(format!("/proc/{pid}/stat"));
        let stat = fs::read(&path).map_err(|source| ProcessError::Read {
            path: path.clone(),
            source,
        })?;
        match start_ticks(&stat) {
            Some(start_ticks) => Ok(Self { pid, start_ticks }),
            None => Err(ProcessError::NoStartTime { path }),
        }
    }

    /// Names a process by its number and its start time in hundredths of a second since boot.
    #[must_use]
    pub const fn new(pid: Pid, start_ticks: u64) -> Self {
        Self { pid, start_ticks }
    }

    /// Returns the process number.
    #[must_use]
    pub const fn pid(self) -> Pid {
        self.pid
    }

    /// Returns the start time in hundredths of a second since boot.
    #[must_use]
    pub const fn start_ticks(self) -> u64 {
        self.start_ticks
    }
}

/// Returns field 22. The name in field 2 may hold anything, so fields count from its last `)`.
fn start_ticks(stat: &[u8]) -> Option<u64> {
    let end_of_name = stat.iter().rposition(|&byte| byte == b')')?;
    let after_name = std::str::from_utf8(stat.get(end_of_name + 1..)?).ok()?;
    after_name.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_process_cannot_shift_the_fields() {
        let stat = b"7 (a) R 1 (x\xff) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21\n";
        assert_eq!(start_ticks(stat), Some(4711));
    }

    #[test]
    fn short_stat_file_names_nobody() {
        assert_eq!(start_ticks(b"7 (cat) R 1 2 3"), None);
        assert_eq!(start_ticks(b""), None);
    }

    #[test]
    fn start_time_has_the_unit_of_proc() {
        assert_eq!(
            StartTime::from_nanoseconds(12_349_999_999).clock_ticks(),
            1_234
        );
    }

    #[test]
    fn executable_is_compared_by_device_and_inode() {
        let file = fs::metadata("/proc/self/exe").unwrap();
        let (major, minor) = (rustix::fs::major(file.dev()), rustix::fs::minor(file.dev()));
        let same = Executable::new(major << 20 | minor, file.ino());
        assert!(same.is_file(&file));
        assert!(!Executable::new(same.device, file.ino() + 1).is_file(&file));
        assert!(!Executable::new(same.device + 1, file.ino()).is_file(&file));
    }
}
