//! What may change about a caller while its connection is open: its exec, its groups, the script
//! that it runs. All of it is the kernel's word; a script's path is what execve(2) was given.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use crate::layout::{Script, Thread};
use crate::process::Gid;

/// A thread number in the initial pid namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid(pub u32);

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number of the kernel's own that becomes another one whenever the process executes a file,
/// even if that is the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExecId(pub u64);

/// The supplementary groups of the thread that connected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SupplementaryGroups {
    /// All of them, ascending.
    Known(Vec<Gid>),
    /// More than a record holds; which ones the kernel did not tell.
    TooMany {
        /// How many.
        count: u32,
    },
}

impl From<&Thread> for SupplementaryGroups {
    fn from(thread: &Thread) -> Self {
        let count = thread.group_count;
        let known = usize::try_from(count)
            .ok()
            .and_then(|count| thread.groups.as_slice().get(..count));
        known.map_or(Self::TooMany { count }, |groups| {
            Self::Known(groups.iter().copied().map(Gid).collect())
        })
    }
}

/// The script that an interpreter runs for the caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ScriptPath {
    /// The path as it was given to execve(2): it may be relative, hold links, or lead elsewhere by
    /// now. Nobody has checked it.
    Given(PathBuf),
    /// The path was longer than the kernel's record.
    TooLong,
}

impl From<&Script> for ScriptPath {
    fn from(script: &Script) -> Self {
        let path = usize::try_from(script.path_bytes)
            .ok()
            .filter(|bytes| *bytes > 0)
            .and_then(|bytes| script.path.get(..bytes));
        path.map_or(Self::TooLong, |path| {
            Self::Given(OsString::from_vec(path.to_vec()).into())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(groups: u32) -> Thread {
        Thread {
            group_count: groups,
            ..Thread::default()
        }
    }

    #[test]
    fn groups_are_known_as_long_as_all_of_them_are() {
        let known = |count| match SupplementaryGroups::from(&thread(count)) {
            SupplementaryGroups::Known(groups) => Some(groups.len()),
            SupplementaryGroups::TooMany { .. } => None,
        };
        assert_eq!([known(0), known(64), known(65)], [Some(0), Some(64), None]);
    }

    #[test]
    fn script_without_a_length_has_no_path() {
        let mut script = Script::default();
        assert_eq!(ScriptPath::from(&script), ScriptPath::TooLong);
        script.path[..2].copy_from_slice(b"/x");
        script.path_bytes = 2;
        assert_eq!(ScriptPath::from(&script), ScriptPath::Given("/x".into()));
    }
}
