//! The cgroup that the probe's children live in: a fresh one below the attached cgroup, removed with
//! its handle; what a killed probe left is swept by the next one.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, poll};

const PREFIX: &str = "latchkey-probe-";
/// How long killed processes may take to leave.
const PATIENCE: Duration = Duration::from_secs(2);

/// The probe's own cgroup.
#[derive(Debug)]
pub(super) struct Nest {
    path: PathBuf,
}

impl Nest {
    /// Makes the cgroup below the attached one, after sweeping what is left of killed probes.
    pub(super) fn create(attached: &Path) -> io::Result<Self> {
        sweep(attached)?;
        let path = attached.join(format!("{PREFIX}{}", std::process::id()));
        // Of this very process: it probes once at a time.
        remove(&path)?;
        fs::create_dir(&path)?;
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves a process in.
    pub(super) fn admit(&self, pid: u32) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), pid.to_string())
    }

    /// Removes the cgroup and ends what is in it.
    pub(super) fn remove(self) -> io::Result<()> {
        remove(&self.path)
    }
}

impl Drop for Nest {
    fn drop(&mut self) {
        // Nobody is left to tell; the next probe sweeps it.
        drop(remove(&self.path));
    }
}

/// Removes the cgroups of probes that are gone.
fn sweep(attached: &Path) -> io::Result<()> {
    for entry in fs::read_dir(attached)? {
        let name = entry?.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let Some(pid) = pid.filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit())) else {
            continue;
        };
        if !Path::new("/proc").join(pid).exists() {
            remove(&attached.join(&name))?;
        }
    }
    Ok(())
}

/// Ends everything in a cgroup and removes it with those below it; absent is as good as removed.
fn remove(path: &Path) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    // Kernel 5.14; without it the children end because their socket does.
    drop(fs::write(path.join("cgroup.kill"), "1"));
    let step = Timespec {
        tv_sec: 0,
        tv_nsec: 5_000_000,
    };
    let start = Instant::now();
    loop {
        match remove_tree(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) if start.elapsed() < PATIENCE => poll(&mut [], Some(&step))?,
            result => return result,
        };
    }
}

fn remove_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}

/// Returns the directory of the cgroup with this id, which is its inode number.
pub(super) fn find(root: &Path, id: u64) -> io::Result<Option<PathBuf>> {
    let mut waiting = vec![root.to_path_buf()];
    while let Some(path) = waiting.pop() {
        let inode = match fs::metadata(&path) {
            // It went away in the meantime.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata?.ino(),
        };
        if inode == id {
            return Ok(Some(path));
        }
        let below = fs::read_dir(&path).into_iter().flatten().flatten();
        let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        waiting.extend(below.map(|entry| entry.path()));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_is_found_by_its_inode() {
        let root = std::env::temp_dir().join(format!("{PREFIX}find-{}", std::process::id()));
        let deep = root.join("a/b");
        fs::create_dir_all(&deep).unwrap();
        let inode = fs::metadata(&deep).unwrap().ino();
        assert_eq!(find(&root, inode).unwrap(), Some(deep));
        assert_eq!(find(&root, u64::MAX).unwrap(), None);
        fs::remove_dir_all(root).unwrap();
    }
}
