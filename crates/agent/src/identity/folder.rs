//! One handle on a process's folder in `/proc`, through which everything about it is read.
//!
//! The handle never passes to another process that gets the same number: once its process
//! has ended, every read fails.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;

use latchkey_intercept::Pid;
use latchkey_protocol::Reason;
use rustix::fs::{Mode, OFlags};

/// A process's folder, held open.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

impl Folder {
    /// Opens the folder of the process that has the number `pid` now.
    pub(super) fn open(pid: Pid) -> Result<Self, Reason> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty())
            .map(Self)
            .map_err(|error| unreadable(&error.into()))
    }

    /// Opens what lies in the folder.
    pub(super) fn file(&self, name: &str, flags: OFlags) -> Result<File, Reason> {
        rustix::fs::openat(&self.0, name, flags | OFlags::CLOEXEC, Mode::empty())
            .map(File::from)
            .map_err(|error| unreadable(&error.into()))
    }

    /// Reads a file of at most `max_bytes`.
    ///
    /// SECURITY: its process chooses how long some of them are; one that is too long is unreadable.
    pub(super) fn read(&self, name: &str, max_bytes: u64) -> Result<Vec<u8>, Reason> {
        let mut content = Vec::new();
        let file = self.file(name, OFlags::RDONLY)?;
        let read = file.take(max_bytes + 1).read_to_end(&mut content);
        let length = read.map_err(|error| unreadable(&error))?;
        if u64::try_from(length).is_ok_and(|length| length <= max_bytes) {
            Ok(content)
        } else {
            Err(Reason::CallerUnreadable)
        }
    }

    /// Returns what a link in the folder shows.
    pub(super) fn link(&self, name: &str) -> Result<Vec<u8>, Reason> {
        rustix::fs::readlinkat(&self.0, name, Vec::new())
            .map(std::ffi::CString::into_bytes)
            .map_err(|error| unreadable(&error.into()))
    }
}

/// Returns why a process cannot be described whose folder gives this error.
pub(super) fn unreadable(error: &io::Error) -> Reason {
    let is_gone = error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error());
    if is_gone {
        Reason::CallerGone
    } else {
        Reason::CallerUnreadable
    }
}
