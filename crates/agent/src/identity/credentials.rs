//! The ids of a process's main thread, and who traces it, from `/proc/PID/status`.

use latchkey_intercept::{FlowRecord, Gid};
use latchkey_protocol::Reason;
use rustix::fs::{Dir, OFlags};

use super::folder::{Folder, unreadable};

/// How long the file may be: 65,536 groups of ten digits, and the rest.
const MAX_BYTES: u64 = 1 << 20;
/// Of how many threads each is asked who traces it.
const MAX_THREADS: usize = 1024;

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Credentials {
    real_and_effective_user: [u32; 2],
    real_and_effective_group: [u32; 2],
    pub(super) supplementary: Vec<Gid>,
    is_traced: bool,
}

impl Credentials {
    pub(super) fn read(folder: &Folder) -> Result<Self, Reason> {
        let status = folder.read("status", MAX_BYTES)?;
        Self::parse(&status).ok_or(Reason::CallerUnreadable)
    }

    /// Reads the lines `Uid`, `Gid`, `Groups` and `TracerPid`; the name of the process, which stands
    /// before them, need not be text, and holds no line feed.
    fn parse(status: &[u8]) -> Option<Self> {
        let line = |name: &str| {
            let mut lines = status.split(|byte| *byte == b'\n');
            let values = lines.find_map(|line| line.strip_prefix(name.as_bytes()))?;
            let values = std::str::from_utf8(values).ok()?.split_ascii_whitespace();
            values
                .map(|value| value.parse().ok())
                .collect::<Option<Vec<u32>>>()
        };
        let real_and_effective = |name: &str| match *line(name)?.as_slice() {
            [real, effective, _, _] => Some([real, effective]),
            _ => None,
        };
        Some(Self {
            real_and_effective_user: real_and_effective("Uid:")?,
            real_and_effective_group: real_and_effective("Gid:")?,
            supplementary: line("Groups:")?.into_iter().map(Gid).collect(),
            is_traced: *line("TracerPid:")?.first()? != 0,
        })
    }

    pub(super) fn agree_with(&self, flow: &FlowRecord) -> bool {
        self.real_and_effective_user == [flow.uid.0, flow.euid.0]
            && self.real_and_effective_group == [flow.gid.0, flow.egid.0]
    }
}

/// Returns whether a process traces any thread of this one, if that can be told.
pub(super) fn is_traced(folder: &Folder, main_thread: &Credentials) -> Option<bool> {
    if main_thread.is_traced {
        return Some(true);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let threads = folder.file("task", flags).ok()?;
    let threads = Dir::new(threads).map_err(|error| unreadable(&error.into()));
    let mut seen = 0;
    for thread in threads.ok()? {
        let name = thread.ok()?.file_name().to_owned();
        let Ok(name) = name.into_string() else {
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        seen += 1;
        if seen > MAX_THREADS {
            return None;
        }
        match folder.read(&format!("task/{name}/status"), MAX_BYTES) {
            Ok(status) if Credentials::parse(&status)?.is_traced => return Some(true),
            // A thread that has ended is not traced.
            Ok(_) | Err(Reason::CallerGone) => {}
            Err(_) => return None,
        }
    }
    (seen > 0).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_from_the_status_file() {
        let status =
            b"Name:\t\xff\nTracerPid:\t7\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \n";
        let read = Credentials::parse(status).unwrap();
        assert_eq!(read.real_and_effective_user, [1, 2]);
        assert_eq!(read.real_and_effective_group, [5, 6]);
        assert_eq!(read.supplementary, [Gid(9), Gid(10)]);
        assert!(read.is_traced);
        assert_eq!(
            Credentials::parse(b"TracerPid:\t0\nUid:\t1\nGid:\t1\t2\t3\t4\nGroups:\t"),
            None
        );
    }
}
