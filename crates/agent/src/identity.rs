//! Who asks: turns what the kernel saw at connect into what rules and records speak of.
//!
//! Everything that `/proc` says must agree with the kernel's record, else the caller is
//! described as gone or replaced and matches no selector. Elevation is the kernel's word
//! alone. Descriptions are cached for a short while by what makes a process the same one.

mod account;
mod process;
pub mod script;

use std::sync::Arc;
use std::time::{Duration, Instant};

use latchkey_intercept::{
    ExecId, Executable, FlowRecord, Gid, Pid, ScriptPath, StartTime, SupplementaryGroups, Uid,
};
use latchkey_protocol::{Attributes, Caller, Elevation, Reason};
use latchkey_record::audit::CallerRecord;
use quick_cache::sync::Cache;

/// How long a description is believed: names and paths may change under a living process.
const FRESH: Duration = Duration::from_secs(30);
/// How many processes are remembered.
const CAPACITY: usize = 4096;
/// How long a user database may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A caller, as rules see it and as records show it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// For the decision.
    pub caller: Caller,
    /// For the audit record.
    pub record: Arc<CallerRecord>,
}

impl Identity {
    /// Describes a caller that is not what connected any more: by what the kernel saw then alone.
    #[must_use]
    pub fn lost(flow: &FlowRecord, reason: Reason) -> Self {
        let caller = Caller {
            elevation: elevation(flow),
            attributes: Err(reason),
        };
        let record = Arc::new(undescribed(flow));
        Self { caller, record }
    }
}

fn elevation(flow: &FlowRecord) -> Elevation {
    if flow.is_root() {
        Elevation::Root
    } else {
        Elevation::Unprivileged
    }
}

/// What makes two connections come from one process in one state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ProcessKey {
    pid: Pid,
    start_time: StartTime,
    executable: Executable,
    exec_id: ExecId,
    script: Option<ScriptPath>,
    ids: [Uid; 2],
    groups: [Gid; 2],
    supplementary_groups: SupplementaryGroups,
    mount_namespace: u32,
    initial_user_namespace: bool,
}

impl From<&FlowRecord> for ProcessKey {
    fn from(flow: &FlowRecord) -> Self {
        Self {
            pid: flow.pid,
            start_time: flow.start_time,
            executable: flow.executable,
            exec_id: flow.exec_id,
            script: flow.script.clone(),
            ids: [flow.uid, flow.euid],
            groups: [flow.gid, flow.egid],
            supplementary_groups: flow.supplementary_groups.clone(),
            mount_namespace: flow.mount_namespace,
            initial_user_namespace: flow.initial_user_namespace,
        }
    }
}

/// Describes callers.
#[derive(Debug)]
pub struct IdentityResolver {
    cache: Cache<ProcessKey, (Instant, Attributes)>,
}

impl IdentityResolver {
    /// Starts without any memory.
    #[must_use]
    pub fn new() -> Self {
        Self {
            cache: Cache::new(CAPACITY),
        }
    }

    /// Describes the caller of a connection.
    pub async fn resolve(&self, flow: &FlowRecord) -> Arc<Identity> {
        let caller = Caller {
            elevation: elevation(flow),
            attributes: self.attributes(flow).await,
        };
        let record = Arc::new(record(flow, caller.attributes.as_ref().ok()));
        Arc::new(Identity { caller, record })
    }

    async fn attributes(&self, flow: &FlowRecord) -> Result<Attributes, Reason> {
        let key = ProcessKey::from(flow);
        match self.cache.get(&key) {
            Some((read, attributes)) if read.elapsed() < FRESH => return Ok(attributes),
            _ => {}
        }
        let attributes = read_attributes(flow.clone()).await?;
        self.cache.insert(key, (Instant::now(), attributes.clone()));
        Ok(attributes)
    }
}

impl Default for IdentityResolver {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads `/proc` and the user database, which may block, on a thread of their own.
async fn read_attributes(flow: FlowRecord) -> Result<Attributes, Reason> {
    let reading = tokio::task::spawn_blocking(move || {
        let process = process::describe(&flow)?;
        Ok(Attributes {
            user_name: account::user_name(flow.euid),
            group_names: process
                .groups
                .iter()
                .filter_map(|gid| account::group_name(*gid))
                .collect(),
            executable: process.executable,
            ..Attributes::default()
        })
    });
    match tokio::time::timeout(PATIENCE, reading).await {
        Ok(Ok(attributes)) => attributes,
        _ => Err(Reason::CallerUnreadable),
    }
}

/// Returns what the kernel alone says of a caller.
#[must_use]
pub fn undescribed(flow: &FlowRecord) -> CallerRecord {
    record(flow, None)
}

fn record(flow: &FlowRecord, attributes: Option<&Attributes>) -> CallerRecord {
    CallerRecord {
        pid: flow.pid.0,
        start_time_ns: flow.start_time.nanoseconds(),
        uid: flow.uid.0,
        gid: flow.gid.0,
        euid: flow.euid.0,
        egid: flow.egid.0,
        root: flow.is_root(),
        user: attributes.and_then(|attributes| attributes.user_name.clone()),
        groups: attributes.map_or_else(Vec::new, |attributes| attributes.group_names.clone()),
        executable: attributes.and_then(|attributes| attributes.executable.clone()),
        comm: printable(&flow.comm),
        cgroup: flow.cgroup_id,
    }
}

/// The process chose these bytes; only printable ASCII goes into a record.
fn printable(comm: &[u8]) -> String {
    let end = comm
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(comm.len());
    let shown = comm.iter().take(end);
    shown
        .map(|byte| {
            if matches!(byte, 0x20..=0x7E) {
                char::from(*byte)
            } else {
                '?'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_names_are_made_printable() {
        assert_eq!(printable(b"a\nb\x1b[31m\xff\0\0rest"), "a?b?[31m?");
    }
}
