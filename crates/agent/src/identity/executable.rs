//! The file that a process executes: whether it is the one that the kernel saw, and whether its path leads to it.
//!
//! SECURITY: a path is a name in one view of files. It is given only where the process's view is
//! the agent's and the path leads to the very file that is executed: not deleted, not covered by
//! a mount, not in memory. Otherwise there is none, and no rule about paths can match.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt as _;

use latchkey_intercept::{Executable, FlowRecord};
use latchkey_protocol::Reason;
use latchkey_record::caller::ExecutableState;
use rustix::fs::{AtFlags, OFlags, StatxFlags};

use super::folder::{Folder, unreadable};

/// How long a table of mounts may be; the kernel has at most 100,000 of them by default.
const MAX_MOUNTS_BYTES: u64 = 16 << 20;
/// What the kernel shows behind a path that is no more.
const DELETED: &str = " (deleted)";
/// What it shows before the name of a file that lies in memory.
const MEMORY: &str = "/memfd:";

/// What a process executes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Executed {
    pub(super) state: ExecutableState,
    /// Its path, if it is present.
    pub(super) path: Option<String>,
}

impl Executed {
    /// Reads what the process of a flow executes.
    ///
    /// # Errors
    /// [`Reason::CallerReplaced`] when that is another file than the kernel saw.
    pub(super) fn read(folder: &Folder, flow: &FlowRecord) -> Result<Self, Reason> {
        let executed = of(folder, flow)?;
        let path = String::from_utf8(folder.link("exe")?).ok();
        let state = state(path.as_deref(), &executed, flow.mount_namespace);
        let path = path.filter(|_| state == ExecutableState::Present);
        Ok(Self { state, path })
    }
}

/// Returns the file that a process executes, which must be the one that the kernel saw.
pub(super) fn of(folder: &Folder, flow: &FlowRecord) -> Result<Metadata, Reason> {
    let file = folder.file("exe", OFlags::PATH)?;
    let executed = file.metadata().map_err(|error| unreadable(&error))?;
    if flow.executable.is_file(&executed)
        || is_on_device(folder, &file, &executed, flow.executable)?
    {
        Ok(executed)
    } else {
        Err(Reason::CallerReplaced)
    }
}

/// A file may be called anything, `x (deleted)` too: first of all counts where the path leads.
fn state(path: Option<&str>, executed: &Metadata, mount_namespace: u32) -> ExecutableState {
    let is_own = is_own_mount_namespace(mount_namespace);
    let Some(path) = path else {
        return if is_own {
            ExecutableState::Covered
        } else {
            ExecutableState::ForeignMountNamespace
        };
    };
    if is_own && leads_to(path, executed) {
        ExecutableState::Present
    } else if path.starts_with(MEMORY) && path.ends_with(DELETED) {
        ExecutableState::Memory
    } else if path.ends_with(DELETED) {
        ExecutableState::Deleted
    } else if is_own {
        ExecutableState::Covered
    } else {
        ExecutableState::ForeignMountNamespace
    }
}

/// Compares by the device of the file system, as the kernel saw it. On overlayfs and btrfs stat(2)
/// shows another one for each layer or subvolume; the process's table of mounts has the right one.
fn is_on_device(
    folder: &Folder,
    file: &File,
    executed: &Metadata,
    executable: Executable,
) -> Result<bool, Reason> {
    if executed.ino() != executable.inode() {
        return Ok(false);
    }
    let found = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)
        .map_err(|error| unreadable(&error.into()))?;
    if found.stx_mask & StatxFlags::MNT_ID.bits() == 0 {
        return Ok(false);
    }
    let mounts = folder.read("mountinfo", MAX_MOUNTS_BYTES)?;
    let device = (executable.major(), executable.minor());
    Ok(device_of_mount(&mounts, found.stx_mnt_id) == Some(device))
}

/// Returns the third field, major and minor, of a mount's line in `/proc/PID/mountinfo`. The paths
/// in it are chosen by users and need not be UTF-8.
fn device_of_mount(mounts: &[u8], mount: u64) -> Option<(u32, u32)> {
    let mut lines = mounts.split(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let mut next = || std::str::from_utf8(fields.next()?).ok();
        if next()?.parse() != Ok(mount) {
            return None;
        }
        let _parent = next()?;
        let (major, minor) = next()?.split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    })
}

fn leads_to(path: &str, executed: &Metadata) -> bool {
    let is_executed = |file: Metadata| (file.dev(), file.ino()) == (executed.dev(), executed.ino());
    path.starts_with('/') && fs::symlink_metadata(path).is_ok_and(is_executed)
}

pub(super) fn is_own_mount_namespace(inode: u32) -> bool {
    fs::metadata("/proc/self/ns/mnt").is_ok_and(|own| own.ino() == u64::from(inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_of_a_mount_is_read_from_its_own_line() {
        let mounts = b"21 1 0:33 / /\xff rw - btrfs /dev/sda1 rw,subvol=/root\n\
                      2 21 0:44 / /2\\04021 rw,relatime shared:1 - overlay overlay rw\n";
        assert_eq!(device_of_mount(mounts, 21), Some((0, 33)));
        assert_eq!(device_of_mount(mounts, 2), Some((0, 44)));
        for absent in [1, 0, 33] {
            assert_eq!(device_of_mount(mounts, absent), None);
        }
    }

    #[test]
    fn state_says_where_a_path_leads_and_why_it_leads_nowhere() {
        let own = fs::metadata("/proc/self/ns/mnt").unwrap().ino();
        let own = u32::try_from(own).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program (deleted)");
        fs::write(&program, "").unwrap();
        let file = fs::metadata(&program).unwrap();
        let path = program.to_str().unwrap();
        for (path, namespace, expected) in [
            (path, own, ExecutableState::Present),
            ("/memfd:x (deleted)", own, ExecutableState::Memory),
            ("/memfd:x (deleted)", 1, ExecutableState::Memory),
            ("/opt/app (deleted)", own, ExecutableState::Deleted),
            ("/opt/app (deleted)", 1, ExecutableState::Deleted),
            ("/etc/passwd", own, ExecutableState::Covered),
            ("relative", own, ExecutableState::Covered),
            ("/opt/app", 1, ExecutableState::ForeignMountNamespace),
        ] {
            assert_eq!(state(Some(path), &file, namespace), expected, "{path}");
        }
        assert_eq!(state(None, &file, own), ExecutableState::Covered);
        assert_eq!(
            state(None, &file, 1),
            ExecutableState::ForeignMountNamespace
        );
    }
}
