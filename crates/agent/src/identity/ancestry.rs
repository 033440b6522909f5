//! The processes that started a process, for people who read records.
//!
//! Best effort, and never for a decision: a parent that ends hands its children on, and what
//! stands here may have been replaced since.

use latchkey_intercept::Pid;
use latchkey_protocol::Reason;
use latchkey_record::caller::AncestorRecord;

use super::display::{printable, shown_bytes};
use super::folder::Folder;

/// How many are named.
const MAX_ANCESTORS: usize = 8;
/// How long `/proc/PID/stat` may be; it has 52 fields and a name of 64 bytes.
const MAX_STAT_BYTES: u64 = 4096;

/// Returns the ancestors of a process, the nearest first.
pub(super) fn ancestors(folder: &Folder) -> Vec<AncestorRecord> {
    let mut found = Vec::new();
    let mut next = Stat::read(folder).ok().map(|stat| stat.parent);
    while let Some(pid) = next.filter(|pid| pid.0 != 0 && found.len() < MAX_ANCESTORS) {
        let Ok((ancestor, parent)) = describe(pid) else {
            break;
        };
        found.push(ancestor);
        next = Some(parent);
    }
    found
}

fn describe(pid: Pid) -> Result<(AncestorRecord, Pid), Reason> {
    let folder = Folder::open(pid)?;
    let stat = Stat::read(&folder)?;
    // A thread of the kernel has none.
    let executable = folder.link("exe").ok();
    let ancestor = AncestorRecord {
        pid: pid.0,
        start_ticks: stat.start_ticks,
        comm: printable(&stat.comm),
        executable: executable.map(|path| shown_bytes(&path)),
    };
    Ok((ancestor, stat.parent))
}

/// Fields 2, 4 and 22 of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    comm: Vec<u8>,
    parent: Pid,
    start_ticks: u64,
}

impl Stat {
    fn read(folder: &Folder) -> Result<Self, Reason> {
        let stat = folder.read("stat", MAX_STAT_BYTES)?;
        Self::parse(&stat).ok_or(Reason::CallerUnreadable)
    }

    /// The name may hold anything, so it ends at the last `)`.
    fn parse(stat: &[u8]) -> Option<Self> {
        let start = stat.iter().position(|byte| *byte == b'(')?;
        let end = stat.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        Some(Self {
            comm: stat.get(start + 1..end)?.to_owned(),
            parent: Pid(fields.nth(1)?.parse().ok()?),
            start_ticks: fields.nth(17)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_process_cannot_shift_the_fields() {
        let stat = b"7 (a) R 1 (x\xff) S 42 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20\n";
        let expected = Stat {
            comm: b"a) R 1 (x\xff".to_vec(),
            parent: Pid(42),
            start_ticks: 4711,
        };
        assert_eq!(Stat::parse(stat), Some(expected));
        assert_eq!(Stat::parse(b"7 (cat) R 1"), None);
        assert_eq!(Stat::parse(b") ("), None);
    }

    #[test]
    fn own_parent_is_the_first_ancestor() {
        let folder = Folder::open(Pid(std::process::id())).unwrap();
        let ancestors = ancestors(&folder);
        assert_eq!(ancestors[0].pid, std::os::unix::process::parent_id());
        assert!(ancestors[0].executable.is_some());
        assert!(ancestors.len() <= MAX_ANCESTORS);
    }
}
