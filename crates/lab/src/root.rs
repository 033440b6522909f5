//! A throw-away root: a Debian tree as the whole file system of some programs of a guest.
//!
//! For programs that change the system they run on. They see an overlay on the tree, a machine of
//! their own (processes, host name, firmware) and the guest's network; they are in the guest's
//! control group. All of it goes with the value, and nothing is ever written to the tree.
//!
//! The disks of the machine, and the kernel's settings, are out of reach of a slip, not of malice:
//! the programs are root.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use tempfile::TempDir;

use crate::account::AccountFiles;
use crate::binaries::{self, Binary, BinaryError};
use crate::command::{Command, Place};
use crate::files::{FileError, Named as _};
use crate::guest::Guest;
use crate::pid_namespace::PidNamespace;
use crate::process::{Process, ProcessError};
use crate::system::LIMIT;

mod filesystem;
mod firmware;
pub mod hold;
pub mod tree;

pub use tree::Tree;

/// Why a root does not stand, or a file in it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The lab's program is missing.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// The first process of the root did not set it up; the error shows why.
    #[error("set up a root on `{}`", tree.display())]
    NotReady {
        /// The tree.
        tree: PathBuf,
        /// What its first process said.
        #[source]
        source: ProcessError,
    },
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The root could not be ended.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// A root that stands; dropping it kills every process in it.
#[derive(Debug)]
pub struct Root {
    // Dropped in this order: the mounts go with the process, and only then their mount point.
    holder: Process,
    place: Place,
    files: File,
    mount_point: TempDir,
}

impl Root {
    /// Stands up a root for programs of `guest`.
    ///
    /// # Errors
    /// The guest has a default route, or a step failed. Nothing is left behind then.
    pub fn start(guest: &Guest, tree: &Tree) -> Result<Self, RootError> {
        let mount_point = tempfile::Builder::new()
            .prefix("root-")
            .tempdir_in(guest.dir())
            .named("create a directory in", guest.dir())?;
        let place = Place {
            pids: PidNamespace::New,
            ..guest.place()
        };
        let mut holder = Command::new(place, "root", binaries::find(Binary::Lab)?.as_ref())
            .args(["hold-root", "--hostname", guest.name()])
            .args([OsStr::new("--tree"), tree.path().as_ref()])
            .args([OsStr::new("--mount-point"), mount_point.path().as_ref()])
            .spawn()?;
        let ready = holder.wait_for_line(hold::READY, LIMIT);
        ready.map_err(|source| RootError::NotReady {
            tree: tree.path().to_owned(),
            source,
        })?;
        let path = PathBuf::from(format!("/proc/{}/root", holder.pid()));
        let place = Place {
            holder: holder.pid(),
            pids: PidNamespace::of(holder.pid())?,
            accounts: AccountFiles::in_directory(&tree.path().join("etc")),
            ..guest.place()
        };
        Ok(Self {
            holder,
            place,
            files: File::open(&path).named("open", &path)?,
            mount_point,
        })
    }

    /// Describes a program of the tree, to run in the root as a user of the tree.
    pub fn command(&self, user: &str, program: impl AsRef<OsStr>) -> Command {
        Command::new(self.place.clone(), user, program.as_ref())
    }

    /// Returns the content of a file of the root.
    ///
    /// # Errors
    /// There is no such file, or it is no text.
    pub fn read(&self, path: &str) -> Result<String, FileError> {
        let mut text = String::new();
        let mut file = self.open(path, OFlags::RDONLY, Mode::empty())?;
        file.read_to_string(&mut text)
            .named("read in the root", Path::new(path))?;
        Ok(text)
    }

    /// Writes a file of the root, whose directory must exist.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &str, text: &str) -> Result<(), FileError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
        let mut file = self.open(path, flags, Mode::from_raw_mode(0o644))?;
        file.write_all(text.as_bytes())
            .named("write in the root", Path::new(path))
    }

    /// Kills every process in the root, and waits until they have ended.
    ///
    /// Drop every [`Process`] of the root before: the first process of a pid namespace ends only
    /// when all others have been waited for.
    ///
    /// # Errors
    /// The kernel refused, or a process has not been waited for.
    pub fn kill(&mut self) -> Result<(), ProcessError> {
        self.holder.kill()
    }

    /// Ends the root with every process in it and tells if its mount point stays.
    ///
    /// # Errors
    /// Something is left behind.
    pub fn stop(mut self) -> Result<(), RootError> {
        self.kill()?;
        let Self { mount_point, .. } = self;
        let path = mount_point.path().to_owned();
        Ok(mount_point.close().named("remove", &path)?)
    }

    /// Opens a file as the root's programs see it: a link in it does not lead out of the root.
    fn open(&self, path: &str, flags: OFlags, mode: Mode) -> Result<File, FileError> {
        let flags = flags | OFlags::CLOEXEC;
        openat2(&self.files, path, flags, mode, ResolveFlags::IN_ROOT)
            .map(File::from)
            .map_err(std::io::Error::from)
            .named("open in the root", Path::new(path))
    }
}
