//! Which processes a program sees: those of the machine, or those of a pid namespace of its own.
//!
//! A pid namespace is entered by the children of a thread, never by the thread itself. So a program
//! is started from a thread that lives no longer than that, and still is the caller's own child.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};

use crate::files::{FileError, Named as _};

/// The pid namespace in which a program starts.
#[derive(Debug, Clone)]
pub(crate) enum PidNamespace {
    /// The caller's.
    OfCaller,
    /// A new one, of which the program becomes process 1; it ends with that process.
    New,
    /// One that stands.
    Standing(Arc<File>),
}

impl PidNamespace {
    /// Returns the namespace that a process is in.
    pub(crate) fn of(pid: u32) -> Result<Self, FileError> {
        let path = PathBuf::from(format!("/proc/{pid}/ns/pid"));
        let file = File::open(&path).named("open", &path)?;
        Ok(Self::Standing(Arc::new(file)))
    }

    /// Starts a program in the namespace, as a child of the calling process.
    pub(crate) fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        match self {
            Self::OfCaller => command.spawn(),
            Self::New => spawn_after(|| unshare(CloneFlags::CLONE_NEWPID), command),
            Self::Standing(file) => spawn_after(|| setns(file, CloneFlags::CLONE_NEWPID), command),
        }
    }
}

/// Starts a program from a thread that has done `enter` before.
fn spawn_after(
    enter: impl FnOnce() -> Result<(), Errno> + Send,
    command: &mut Command,
) -> io::Result<Child> {
    let enter_and_spawn = || {
        enter()?;
        command.spawn()
    };
    thread::scope(|scope| scope.spawn(enter_and_spawn).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
