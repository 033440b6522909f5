//! The bpf file system and the directories in which a lab's agents pin their programs.
//!
//! Nothing outside of the directories named after a lab is ever unpinned.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

use crate::files::{self, FileError};
use crate::mounts;

/// Where the bpf file system belongs.
pub const BPF_ROOT: &str = "/sys/fs/bpf";

/// Why pins could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// A directory could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bpf file system is not there and could not be mounted.
    #[error("mount the bpf file system at `{BPF_ROOT}`; does this kernel have CONFIG_BPF_SYSCALL?")]
    Mount(#[source] Errno),
}

/// Mounts the bpf file system where it belongs, unless it is there already.
///
/// Two processes must not do this at once: the second mount would hide the pins of the first.
///
/// # Errors
/// It is missing and cannot be mounted.
pub fn ensure_mounted() -> Result<(), PinError> {
    if mounts::is_mounted("bpf", Path::new(BPF_ROOT))? {
        return Ok(());
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("bpf"), BPF_ROOT, Some("bpf"), flags, Some("mode=0700")).map_err(PinError::Mount)
}

/// Creates a pin directory that only root may use.
///
/// # Errors
/// It exists already or cannot be made.
pub fn create(path: &Path) -> Result<(), PinError> {
    Ok(files::create_directory(path, 0o700, (0, 0))?)
}

/// Removes a pin directory and unpins all that is in it.
///
/// # Errors
/// Something in it cannot be unpinned; that it is gone already is success.
pub fn remove(path: &Path) -> Result<(), PinError> {
    Ok(files::remove_tree(path)?)
}

/// Returns the pin directory named `name` below the bpf file system.
#[must_use]
pub fn directory(name: &str) -> PathBuf {
    Path::new(BPF_ROOT).join(name)
}
