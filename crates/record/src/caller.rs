//! The calling process of an audit record: what the kernel saw it be, and what was found out about it.
//!
//! What was not found out is left out. Texts that a process or a user can choose are bounded and
//! hold no control characters.

use latchkey_protocol::Flag;
use serde::{Deserialize, Serialize};

/// The calling process as the kernel saw it connect, with the names found for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallerRecord {
    /// Process id (thread group).
    pub pid: u32,
    /// Nanoseconds from boot to the process's start; with the pid unique since boot.
    pub start_time_ns: u64,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Whether it is root in the initial user namespace.
    pub root: bool,
    /// The effective user's name.
    pub user: Option<String>,
    /// The names of the process's groups, the first 64 of them.
    pub groups: Vec<String>,
    /// The executable's path.
    pub executable: Option<String>,
    /// The kernel's name of the task; the process can set it, so it proves nothing.
    pub comm: String,
    /// The cgroup's id.
    pub cgroup: u64,
    /// The cgroup's path from the root of the protected cgroups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_path: Option<String>,
    /// The unit of the system's systemd that the cgroup belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The slice that the unit lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
    /// The container that the cgroup belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerRecord>,
    /// Why the executable has or lacks a path; absent when the process was not described.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable_state: Option<ExecutableState>,
    /// The script that an interpreter runs, as it was given to execve(2). Rules match it only if it is
    /// an absolute path at which nobody but root can put another file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// SHA-256 of the executable in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe_sha256: Option<String>,
    /// The flags that are set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
    /// The flags that could not be determined, and count as set where a rule forbids them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_flags: Vec<Flag>,
    /// The names, never the values, of what has the process load other code than its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preload: Vec<String>,
    /// The processes that started it, the nearest first, at most 8; they prove nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<AncestorRecord>,
}

/// A container, as its cgroup names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerRecord {
    /// The container's id.
    pub id: String,
    /// What runs it: `docker`, `containerd`, `cri-o`, `podman`, `lxc`; absent when the cgroup does
    /// not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
}

/// Why an executable has or lacks a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutableState {
    /// Its path leads to it.
    Present,
    /// Its name was removed, or given to another file.
    Deleted,
    /// It never had a name: it lies in memory (memfd).
    Memory,
    /// The process sees other mounts than the agent, so that a path means another file to it.
    ForeignMountNamespace,
    /// Its path does not lead to it from here: another mount lies over it, or its root is another.
    Covered,
}

/// A process that started another, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AncestorRecord {
    /// Process id.
    pub pid: u32,
    /// Hundredths of a second from boot to its start.
    pub start_ticks: u64,
    /// The kernel's name of its main thread.
    pub comm: String,
    /// What its executable's link shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_found_out_is_left_out() {
        let text = serde_json::to_string(&CallerRecord::default()).unwrap();
        let expected = "{\"pid\":0,\"startTimeNs\":0,\"uid\":0,\"gid\":0,\"euid\":0,\"egid\":0,\"root\":false,\
                        \"user\":null,\"groups\":[],\"executable\":null,\"comm\":\"\",\"cgroup\":0}";
        assert_eq!(text, expected);
        let read: CallerRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(read, CallerRecord::default());
    }
}
