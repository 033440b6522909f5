//! Finds the path of a cgroup by the id that the kernel recorded, whatever namespaces its processes see.
//!
//! `/proc/PID/cgroup` shows where a process is now, and to each cgroup namespace something else.
//! The id names the cgroup of the moment: ids are not reused, and cgroups cannot be renamed. One
//! that was removed has no path.
#![expect(
    unsafe_code,
    reason = "open_by_handle_at(2) has no safe form; it is wrapped once, here"
)]

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// `FILEID_KERNFS` of the kernel's `linux/exportfs.h`: the handle is the 64-bit id.
const FILEID_KERNFS: i32 = 0xfe;

/// `struct file_handle` with the one handle that kernfs gives out.
#[repr(C)]
struct KernfsHandle {
    bytes: u32,
    kind: i32,
    id: [u8; size_of::<u64>()],
}

/// The cgroups below one, by id.
#[derive(Debug)]
pub struct CgroupTree {
    folder: OwnedFd,
    path: PathBuf,
}

impl CgroupTree {
    /// Opens the tree below the cgroup at `path`, and finds its own root by id once.
    ///
    /// # Errors
    /// When it cannot be opened, or the kernel does not open cgroups by id (`CONFIG_FHANDLE`, or
    /// `CAP_DAC_READ_SEARCH` in the initial user namespace).
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = fs::canonicalize(path)?;
        let folder = File::open(&path)?;
        let id = folder.metadata()?.ino();
        let folder = folder.into();
        let tree = Self { folder, path };
        tree.path(id).map(|_root| tree)
    }

    /// Returns the path of a cgroup from the root of this tree, which is `/`.
    ///
    /// # Errors
    /// When it was removed, lies outside of this tree, or has a name that is no text.
    pub fn path(&self, id: u64) -> io::Result<String> {
        let cgroup = open_by_id(&self.folder, id)?;
        let found = fs::read_link(format!("/proc/self/fd/{}", cgroup.as_raw_fd()))?;
        // One that is being removed has a path that leads nowhere.
        if fs::metadata(&found)?.ino() != id {
            return Err(io::ErrorKind::NotFound.into());
        }
        let below = found.strip_prefix(&self.path).map_err(io::Error::other)?;
        let below = below.to_str().ok_or(io::ErrorKind::InvalidData)?;
        Ok(format!("/{below}"))
    }
}

/// Opens a cgroup of the file system that `folder` is on.
fn open_by_id(folder: impl AsFd, id: u64) -> io::Result<OwnedFd> {
    let id = id.to_ne_bytes();
    let mut handle = KernfsHandle {
        bytes: u32::try_from(id.len()).map_err(io::Error::other)?,
        kind: FILEID_KERNFS,
        id,
    };
    // SAFETY: the handle is live and as long as it says; the kernel only reads it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            folder.as_fd().as_raw_fd(),
            std::ptr::from_mut(&mut handle),
            libc::O_PATH | libc::O_CLOEXEC,
        )
    };
    let descriptor = RawFd::try_from(result)
        .ok()
        .filter(|result| *result >= 0)
        .ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the kernel has just made this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
