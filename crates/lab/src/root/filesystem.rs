//! What the programs of a root see as their file system: an overlay on a tree, and kernel file
//! systems that show a small virtual machine.
//!
//! All is mounted in the caller's own mount namespace and goes with it. The upper layer is memory,
//! bounded in size.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use super::firmware;
use crate::files::{self, FileError, Named as _};

/// How much the programs may write.
const UPPER_LAYER: &str = "size=2g,mode=755";

/// The devices of a root: none that stores anything.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// The parts of the kernel's view of the machine that are shown as they are, but read-only.
const SHOWN: [&str; 3] = ["devices", "class/net", "bus"];

/// The parts that are shown empty: nobody shall find the machine's disks.
const EMPTY: [&str; 3] = ["block", "class/block", "fs"];

/// The settings of the machine's kernel, which are shown read-only.
const SETTINGS: [&str; 2] = ["sys", "sysrq-trigger"];

/// Why the file system could not be built.
#[derive(Debug, thiserror::Error)]
pub enum FilesystemError {
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A mount failed.
    #[error("mount `{}`", path.display())]
    Mount {
        /// The mount point.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: Errno,
    },
    /// The caller could not change its root.
    #[error("make `{}` the root", path.display())]
    Pivot {
        /// The new root.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: Errno,
    },
}

/// Builds the file system on the empty directory `at` and makes it the caller's root.
///
/// The caller must be alone in its mount namespace, and that one private.
pub(super) fn enter(tree: &Path, at: &Path, hostname: &str) -> Result<(), FilesystemError> {
    let root = overlay(tree, at)?;
    write_etc(&root, hostname)?;
    mount_proc(&root.join("proc"))?;
    mount_dev(&root.join("dev"))?;
    mount_sys(&root.join("sys"))?;
    let apart = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    for (name, mode) in [("run", "mode=755"), ("tmp", "mode=1777")] {
        mount_new("tmpfs", &root.join(name), apart, mode)?;
    }
    make(&root.join("run/lock"))?;
    let pivot = |source| FilesystemError::Pivot {
        path: root.clone(),
        source,
    };
    // The old root lands on the new one and goes from there; pivot_root(2) describes this.
    chdir(&root)
        .and_then(|()| pivot_root(".", "."))
        .and_then(|()| umount2(".", MntFlags::MNT_DETACH))
        .and_then(|()| chdir("/"))
        .map_err(pivot)
}

fn overlay(tree: &Path, at: &Path) -> Result<PathBuf, FilesystemError> {
    mount_new("tmpfs", at, MsFlags::MS_NODEV, UPPER_LAYER)?;
    let [upper, work, root] = ["upper", "work", "root"].map(|name| at.join(name));
    for path in [&upper, &work, &root] {
        make(path)?;
    }
    let layers = format!(
        "lowerdir={},upperdir={},workdir={}",
        tree.display(),
        upper.display(),
        work.display()
    );
    mount_new("overlay", &root, MsFlags::MS_NODEV, &layers)?;
    Ok(root)
}

/// Names are resolved as in the guest.
fn write_etc(root: &Path, hostname: &str) -> Result<(), FileError> {
    for file in ["/etc/hosts", "/etc/resolv.conf"] {
        let text = files::read(Path::new(file))?;
        let copy = root.join(file.trim_start_matches('/'));
        // The tree may have a link here.
        files::absent_is_fine(fs::remove_file(&copy)).named("remove", &copy)?;
        files::write(&copy, &text)?;
    }
    files::write(&root.join("etc/hostname"), &format!("{hostname}\n"))
}

fn mount_proc(proc: &Path) -> Result<(), FilesystemError> {
    let inert = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_new("proc", proc, inert, "")?;
    // A kernel may have been built without one of them.
    let settings = SETTINGS.map(|name| proc.join(name));
    for path in settings.iter().filter(|path| path.exists()) {
        bind_read_only(path, path)?;
    }
    Ok(())
}

fn mount_dev(dev: &Path) -> Result<(), FilesystemError> {
    mount_new("tmpfs", dev, MsFlags::MS_NOSUID, "mode=755")?;
    for name in DEVICES {
        let path = dev.join(name);
        File::create(&path).named("create", &path)?;
        bind(&Path::new("/dev").join(name), &path)?;
    }
    for name in ["pts", "shm"] {
        make(&dev.join(name))?;
    }
    let terminals = "newinstance,ptmxmode=0666,mode=620";
    mount_new("devpts", &dev.join("pts"), MsFlags::MS_NOSUID, terminals)?;
    let apart = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount_new("tmpfs", &dev.join("shm"), apart, "mode=1777")?;
    for (target, name) in [("pts/ptmx", "ptmx"), ("/proc/self/fd", "fd")] {
        let link = dev.join(name);
        symlink(target, &link).named("create link", &link)?;
    }
    Ok(())
}

/// Shows the guest's network interfaces, the firmware of a virtual machine, and no disk.
fn mount_sys(sys: &Path) -> Result<(), FilesystemError> {
    let inert = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_new("tmpfs", sys, inert, "mode=755")?;
    // Mounted anew, because it shows the interfaces of the network namespace it was mounted in.
    let whole = sys.join("whole");
    make(&whole)?;
    mount_new("sysfs", &whole, inert, "")?;
    for name in SHOWN {
        make(&sys.join(name))?;
        bind_read_only(&whole.join(name), &sys.join(name))?;
    }
    umount2(&whole, MntFlags::MNT_DETACH).map_err(failed_at(&whole))?;
    fs::remove_dir(&whole).named("remove", &whole)?;
    for name in EMPTY {
        make(&sys.join(name))?;
    }
    Ok(firmware::write(&sys.join("class/dmi/id"))?)
}

fn make(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).named("create directory", path)
}

fn mount_new(kind: &str, at: &Path, flags: MsFlags, data: &str) -> Result<(), FilesystemError> {
    mount(Some(kind), at, Some(kind), flags, Some(data)).map_err(failed_at(at))
}

fn bind(source: &Path, target: &Path) -> Result<(), FilesystemError> {
    let none = None::<&str>;
    mount(Some(source), target, none, MsFlags::MS_BIND, none).map_err(failed_at(target))
}

fn bind_read_only(source: &Path, target: &Path) -> Result<(), FilesystemError> {
    bind(source, target)?;
    // A bind mount takes its flags only when it is mounted once more.
    let again = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    let none = None::<&str>;
    mount(none, target, none, again, none).map_err(failed_at(target))
}

fn failed_at(path: &Path) -> impl FnOnce(Errno) -> FilesystemError {
    let path = path.to_owned();
    move |source| FilesystemError::Mount { path, source }
}
