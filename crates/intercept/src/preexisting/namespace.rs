//! The network namespaces in which processes of a cgroup live, entered one at a time on threads that
//! end with what they are for; none is held open longer than a sweep.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::PreexistingError;

/// More than a machine with a namespace for every container has.
const MAX_NAMESPACES: usize = 4_096;

const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace.
#[derive(Debug)]
pub(super) struct NetworkNamespace {
    pub(super) inode: u64,
    handle: File,
}

impl NetworkNamespace {
    fn open(path: &Path) -> io::Result<Self> {
        let handle = File::open(path)?;
        let inode = handle.metadata()?.ino();
        Ok(Self { inode, handle })
    }

    /// Works inside, on a thread of its own, so that the caller's never leaves its namespace.
    pub(super) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        let inside = || {
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(self.handle.as_fd(), network)?;
            Ok(work())
        };
        match thread::scope(|scope| scope.spawn(inside).join()) {
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        }
    }
}

/// Returns the thread's namespace and those of every thread of the processes in a cgroup and below it.
pub(super) fn of_processes(
    cgroup: &Path,
    problems: &mut Vec<PreexistingError>,
) -> Vec<NetworkNamespace> {
    let mut seen = HashSet::new();
    let mut namespaces = Vec::new();
    let mut paths = vec![PathBuf::from(OWN)];
    for pid in processes(cgroup, problems) {
        paths.extend(threads(pid));
    }
    for path in paths {
        // A thread may end at any time.
        let Ok(inode) = fs::metadata(&path).map(|metadata| metadata.ino()) else {
            continue;
        };
        if !seen.insert(inode) {
            continue;
        }
        if namespaces.len() == MAX_NAMESPACES {
            problems.push(PreexistingError::TooManyNamespaces {
                limit: MAX_NAMESPACES,
            });
            break;
        }
        namespaces.extend(NetworkNamespace::open(&path));
    }
    namespaces
}

/// Returns the links to the namespaces of a process's threads; none of a process that is gone.
fn threads(pid: u32) -> Vec<PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let tasks = tasks.into_iter().flatten().flatten();
    tasks.map(|task| task.path().join("ns/net")).collect()
}

/// Returns the processes in a cgroup and below it.
fn processes(cgroup: &Path, problems: &mut Vec<PreexistingError>) -> Vec<u32> {
    let mut found = Vec::new();
    let mut waiting = vec![cgroup.to_owned()];
    while let Some(cgroup) = waiting.pop() {
        let listed = read_members(&cgroup, &mut found).and_then(|()| children(&cgroup));
        match listed {
            Ok(children) => waiting.extend(children),
            Err(error) if is_gone(&error) => {}
            Err(source) => problems.push(PreexistingError::Processes {
                path: cgroup,
                source,
            }),
        }
    }
    found
}

fn read_members(cgroup: &Path, found: &mut Vec<u32>) -> io::Result<()> {
    let text = match fs::read_to_string(cgroup.join("cgroup.procs")) {
        // A threaded cgroup: the processes are listed in the one above it.
        Err(error) if error.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) => {
            return Ok(());
        }
        other => other?,
    };
    found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
    Ok(())
}

fn children(cgroup: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(cgroup)?.collect::<io::Result<Vec<_>>>()?;
    let directories = entries
        .iter()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(directories.map(|entry| entry.path()).collect())
}

/// A cgroup may be removed at any time.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(Errno::NODEV.raw_os_error())
}
