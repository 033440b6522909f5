//! Control groups of a lab: one for the whole, below it one for each node.
//!
//! Only groups below the lab's own are ever written to; the machine's groups are left alone.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;

use crate::files::{self, FileError, Named as _};
use crate::mounts;
use crate::wait::{Deadline, wait_for};

/// Why a control group could not be made, emptied or removed.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// A file of the group could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// No cgroup2 file system is mounted.
    #[error(
        "no cgroup2 file system is mounted; try `mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified`"
    )]
    NotMounted,
    /// Processes of the group did not end although they were killed.
    #[error("control group `{}` still has processes {within:?} after a kill", path.display())]
    NotEmpty {
        /// The group.
        path: PathBuf,
        /// How long they were waited for.
        within: Duration,
    },
}

/// A control group that the lab made.
#[derive(Debug, Clone)]
pub struct Cgroup {
    path: PathBuf,
}

/// Returns where the machine has its cgroup2 file system.
///
/// # Errors
/// There is none.
pub fn root() -> Result<PathBuf, CgroupError> {
    mounts::mount_point("cgroup2")?.ok_or(CgroupError::NotMounted)
}

impl Cgroup {
    /// Creates the group at `path`; that it exists already is an error.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn create(path: PathBuf) -> Result<Self, CgroupError> {
        fs::create_dir(&path).named("create control group", &path)?;
        Ok(Self { path })
    }

    /// Returns the group at `path`, which may be gone by now.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Creates a group below this one, and those between; it is removed with this one.
    ///
    /// # Errors
    /// A directory cannot be made.
    pub fn create_below(&self, path: impl AsRef<Path>) -> Result<Self, CgroupError> {
        let path = self.path.join(path);
        fs::create_dir_all(&path).named("create control group", &path)?;
        Ok(Self { path })
    }

    /// Returns the group's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the ids of the processes in this group, without those in groups below it.
    ///
    /// # Errors
    /// The group is gone or not readable.
    pub fn processes(&self) -> Result<Vec<u32>, CgroupError> {
        let text = files::read(&self.path.join("cgroup.procs"))?;
        Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Kills every process in this group and below it, and waits until they have ended.
    ///
    /// # Errors
    /// They could not be killed, or one of them still lives after `within`.
    pub fn kill(&self, within: Duration) -> Result<(), CgroupError> {
        let Some(events) = self.open_events()? else {
            return Ok(());
        };
        kill_all(&self.path)?;
        let deadline = Deadline::after(within);
        while is_populated(&events).named("read", &self.path.join("cgroup.events"))? {
            if deadline.has_passed() {
                return Err(CgroupError::NotEmpty {
                    path: self.path.clone(),
                    within,
                });
            }
            wait_for(&events, PollFlags::PRI, deadline, within).named("poll", &self.path)?;
        }
        Ok(())
    }

    /// Removes this group and those below it, which must have no processes.
    ///
    /// # Errors
    /// A group cannot be removed; that it is gone already is success.
    pub fn remove(&self) -> Result<(), CgroupError> {
        remove_groups(&self.path)?;
        Ok(())
    }

    /// Opens the file that tells when the last process has ended; nothing if the group is gone.
    fn open_events(&self) -> Result<Option<File>, FileError> {
        let path = self.path.join("cgroup.events");
        match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.named("open", &path).map(Some),
        }
    }
}

/// Moves the calling process into the group at `path`.
pub(crate) fn join(path: &Path) -> Result<(), FileError> {
    files::write(&path.join("cgroup.procs"), "0")
}

/// Moves another process into the group at `path`; that it has ended already is success.
pub(crate) fn add(path: &Path, pid: u32) -> Result<(), FileError> {
    let file = path.join("cgroup.procs");
    match fs::write(&file, pid.to_string()) {
        Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Ok(()),
        other => other.named("write", &file),
    }
}

/// Kills every process in the group at `path` and below it, without waiting.
pub(crate) fn kill_all(path: &Path) -> Result<(), FileError> {
    let file = path.join("cgroup.kill");
    files::absent_is_fine(fs::write(&file, "1")).named("write", &file)
}

fn is_populated(events: &File) -> io::Result<bool> {
    let mut buffer = [0; 256];
    let read = events.read_at(&mut buffer, 0);
    let length = match read {
        // The group was removed by another process meanwhile, so it was empty.
        Err(error) if error.raw_os_error() == Some(Errno::NODEV.raw_os_error()) => {
            return Ok(false);
        }
        other => other?,
    };
    let text = buffer.get(..length).unwrap_or_default();
    Ok(text
        .split(|&byte| byte == b'\n')
        .any(|line| line == b"populated 1"))
}

/// Removes groups from the leaves up; `remove_dir_all` would try to unlink the control files.
fn remove_groups(path: &Path) -> Result<(), FileError> {
    for name in files::names_in(path)? {
        let child = path.join(name);
        if child.is_dir() {
            remove_groups(&child)?;
        }
    }
    files::absent_is_fine(fs::remove_dir(path)).named("remove control group", path)
}
