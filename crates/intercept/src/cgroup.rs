//! The cgroup that the programs hang on; removed and made anew it is another one.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use crate::error::InterceptError;
use crate::neighbour;
use crate::sys;

/// The cgroup whose processes are intercepted, with all cgroups below it.
#[derive(Debug)]
pub(crate) struct Cgroup {
    directory: File,
    id: u64,
    path: PathBuf,
}

impl Cgroup {
    pub(crate) fn open(path: &Path) -> Result<Self, InterceptError> {
        let directory = File::open(path).map_err(InterceptError::file("open the cgroup", path))?;
        let metadata = directory
            .metadata()
            .map_err(InterceptError::file("inspect the cgroup", path))?;
        Ok(Self {
            directory,
            id: metadata.ino(),
            path: path.into(),
        })
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Returns whether the cgroup exists and no other one has taken its path.
    pub(crate) fn is_in_place(&self) -> io::Result<bool> {
        match openat(
            &self.directory,
            "cgroup.procs",
            OFlags::RDONLY,
            Mode::empty(),
        ) {
            Err(Errno::NOENT | Errno::NODEV) => return Ok(false),
            other => drop(other?),
        }
        match fs::metadata(&self.path) {
            Ok(now) => Ok(now.ino() == self.id),
            // Unmounted, not removed: the programs are attached all the same.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Attaches a program by a new link, behind those that are there.
    pub(crate) fn attach(
        &self,
        program: BorrowedFd<'_>,
        attach_type: u32,
    ) -> Result<OwnedFd, InterceptError> {
        let attached = sys::link_create(program, self.descriptor(), attach_type);
        attached.map_err(|error| {
            let exclusive = (error.kind() == io::ErrorKind::PermissionDenied)
                .then(|| neighbour::exclusive_program(&self.path, attach_type));
            exclusive
                .flatten()
                .unwrap_or_else(|| InterceptError::file("attach a program to", &self.path)(error))
        })
    }
}
