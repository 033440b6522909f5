//! Finds the cgroup v2 hierarchy and provides the BPF file system; a cgroup that only looks like
//! the root from inside a container is refused, because programs on it would miss everyone else.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, statfs};
use rustix::mount::{MountFlags, mount};

/// Where the BPF file system belongs.
pub const BPFFS: &str = "/sys/fs/bpf";

/// `BPF_FS_MAGIC` of `linux/magic.h`.
const BPFFS_MAGIC: i128 = 0xcafe_4a11;
/// The inode number of the kernel's own cgroup root.
pub(crate) const ROOT_CGROUP_INODE: u64 = 1;

/// A file system that interception needs is not there.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// A file could not be read.
    #[error("read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No cgroup v2 hierarchy is mounted.
    #[error("no cgroup2 file system is mounted (see /proc/self/mountinfo)")]
    NoCgroup2,
    /// The mounted hierarchy starts below the kernel's root.
    #[error("{path} is not the root of the cgroup hierarchy, only of a container's part of it")]
    NotCgroupRoot {
        /// The mount point.
        path: PathBuf,
    },
    /// The BPF file system is missing and could not be mounted.
    #[error("mount a bpf file system at {path}")]
    MountBpffs {
        /// The mount point.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The directory for pins is on another file system.
    #[error("{path} is not on a bpf file system")]
    NotBpffs {
        /// The directory.
        path: PathBuf,
    },
}

/// Returns where the root of the cgroup v2 hierarchy is mounted.
///
/// # Errors
///
/// [`MountError`] when none is mounted, or only a part of it.
pub fn find_cgroup2_mount() -> Result<PathBuf, MountError> {
    let path = PathBuf::from("/proc/self/mountinfo");
    let table = fs::read(&path).map_err(|source| MountError::Read { path, source })?;
    let mut not_root = None;
    for mount_point in cgroup2_mount_points(&table) {
        let inode = fs::metadata(&mount_point)
            .map_err(|source| MountError::Read {
                path: mount_point.clone(),
                source,
            })?
            .ino();
        if inode == ROOT_CGROUP_INODE {
            return Ok(mount_point);
        }
        not_root = Some(mount_point);
    }
    Err(
        not_root.map_or(MountError::NoCgroup2, |path| MountError::NotCgroupRoot {
            path,
        }),
    )
}

/// Returns the mount points of file system type `cgroup2`, in the table's order.
fn cgroup2_mount_points(table: &[u8]) -> impl Iterator<Item = PathBuf> {
    table.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b' ');
        let mount_point = fields.nth(4)?;
        let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
        (kind == b"cgroup2").then(|| PathBuf::from(unescape(mount_point)))
    })
}

/// Undoes the octal escapes (`\040` for a space) of mountinfo.
fn unescape(field: &[u8]) -> OsString {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|_| byte == b'\\');
        let escaped = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() {
            tail.get(3..).unwrap_or_default()
        } else {
            tail
        };
    }
    OsString::from_vec(plain)
}

/// Mounts the BPF file system at [`BPFFS`] if it is missing.
///
/// # Errors
///
/// [`MountError`] when the mount point does not exist or the mount is not permitted.
pub fn ensure_bpffs() -> Result<(), MountError> {
    let path = Path::new(BPFFS);
    if is_bpffs(path)? {
        return Ok(());
    }
    let failed = |source: io::Error| MountError::MountBpffs {
        path: path.into(),
        source,
    };
    // Two that mount at once would hide each other's pins: the directory underneath is the lock.
    let underneath = File::open(path).map_err(failed)?;
    flock(&underneath, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
    if is_bpffs(path)? {
        return Ok(());
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("bpf", path, "bpf", flags, c"mode=0700").map_err(|error| failed(error.into()))
}

/// Returns whether a path is on a BPF file system.
pub(crate) fn is_bpffs(path: &Path) -> Result<bool, MountError> {
    statfs(path)
        .map(|file_system| i128::from(file_system.f_type) == BPFFS_MAGIC)
        .map_err(|error| MountError::Read {
            path: path.into(),
            source: error.into(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroup2_is_found_wherever_it_is_mounted() {
        let table = b"24 1 0:22 / /sys rw,nosuid - sysfs sysfs rw\n\
            41 31 0:38 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n\
            42 31 0:39 / /sys/fs/cgroup/uni\\040fied rw shared:9 master:1 - cgroup2 none rw\n";
        let found: Vec<_> = cgroup2_mount_points(table).collect();
        assert_eq!(found, [PathBuf::from("/sys/fs/cgroup/uni fied")]);
    }

    #[test]
    fn path_that_only_mentions_cgroup2_is_not_a_mount() {
        let table = b"41 31 0:38 / /srv/cgroup2 rw - tmpfs cgroup2 rw\n\n";
        assert_eq!(cgroup2_mount_points(table).count(), 0);
    }

    #[test]
    fn ordinary_directories_are_not_on_a_bpf_file_system() {
        assert!(!is_bpffs(Path::new("/proc")).unwrap());
    }
}
