//! Who asks: turns what the kernel saw at connect into what rules and records speak of.
//!
//! Everything that `/proc` says must agree with the kernel's record, else the caller is
//! described as gone or replaced and matches no selector. Elevation is the kernel's word
//! alone. Descriptions are cached for a short while by what makes a process the same one.

mod account;
mod ancestry;
mod container;
mod credentials;
mod description;
mod digest;
mod display;
mod environment;
mod executable;
mod folder;
mod place;
mod process;
mod readers;
pub mod script;
mod systemd;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use latchkey_intercept::{
    ExecId, Executable, FlowRecord, Gid, Pid, ScriptPath, StartTime, SupplementaryGroups, Uid,
};
use latchkey_policy::EndpointPolicy;
use latchkey_protocol::{Attributes, Caller, Elevation, Reason};
use latchkey_record::CallerRecord;
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};

use crate::rules::PolicyReader;
use account::Accounts;
use description::Description;
use digest::Digests;
use place::Places;
use process::{Content, Process};
use readers::Readers;

/// How long a description is believed: names and paths may change under a living process.
const FRESH: Duration = Duration::from_secs(30);
/// How many processes, accounts, cgroups and digests are remembered.
const CAPACITY: usize = 4096;
/// How long `/proc` and a user database may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// When the executables of callers are hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hashing {
    /// While rules in force select by `exeSha256`, or none have arrived yet.
    #[default]
    WhenUsed,
    /// Always, so that every audit record shows it.
    Always,
}

/// How callers are described.
#[derive(Clone, Debug)]
pub struct IdentityConfig {
    /// The protected cgroup, which paths of cgroups are relative to; without it nobody has one.
    pub cgroup: Option<PathBuf>,
    /// When executables are hashed.
    pub hashing: Hashing,
    /// The largest executable that is hashed, in bytes.
    pub max_hashed_bytes: u64,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self {
            cgroup: None,
            hashing: Hashing::WhenUsed,
            max_hashed_bytes: 512 << 20,
        }
    }
}

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
    content: Content,
}

impl ProcessKey {
    fn new(flow: &FlowRecord, content: Content) -> Self {
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
            content,
        }
    }
}

/// Describes callers.
#[derive(Debug)]
pub struct IdentityResolver {
    hashing: Hashing,
    policies: PolicyReader,
    places: Places,
    accounts: Arc<Accounts>,
    digests: Digests,
    readers: Readers,
    known: Cache<ProcessKey, (Instant, Arc<Description>)>,
}

impl IdentityResolver {
    /// Starts without any memory; `policies` tell what rules ask for.
    #[must_use]
    pub fn new(config: &IdentityConfig, policies: PolicyReader) -> Self {
        Self {
            hashing: config.hashing,
            policies,
            places: Places::below(config.cgroup.as_deref()),
            accounts: Arc::new(Accounts::new()),
            digests: Digests::up_to(config.max_hashed_bytes),
            readers: Readers::new(),
            known: Cache::new(CAPACITY),
        }
    }

    /// Describes the caller of a connection.
    pub async fn resolve(&self, flow: &FlowRecord) -> Arc<Identity> {
        let place = self.places.find(flow.cgroup_id);
        let place = place.as_deref();
        let description = self.describe(flow).await;
        let mut record = description::record(flow, place);
        if let Ok(description) = &description {
            description.complete(&mut record);
        }
        let caller = Caller {
            elevation: elevation(flow),
            attributes: description.map(|description| description.attributes(place)),
        };
        let record = Arc::new(record);
        Arc::new(Identity { caller, record })
    }

    async fn describe(&self, flow: &FlowRecord) -> Result<Arc<Description>, Reason> {
        let content = self.content();
        let key = ProcessKey::new(flow, content);
        match self.known.get(&key) {
            Some((read, known)) if read.elapsed() < FRESH && !self.asks_for_flags() => {
                return Ok(known);
            }
            _ => {}
        }
        let reading = tokio::time::timeout(PATIENCE, self.read(flow.clone(), content));
        let read = reading.await.unwrap_or(Err(Reason::CallerUnreadable));
        let (mut description, file) = read?;
        if let Some(file) = file {
            let reader = self.readers.enter(flow);
            let digest = self.digests.of(file, readers::share(flow), reader);
            description.attributes.exe_sha256 = digest.await;
        }
        let is_whole = content == Content::Leave || description.attributes.exe_sha256.is_some();
        let description = Arc::new(description);
        if is_whole {
            let known = (Instant::now(), Arc::clone(&description));
            self.known.insert(key, known);
        }
        Ok(description)
    }

    /// Before rules have arrived nobody knows whether they ask for it, and requests are held for them.
    fn content(&self) -> Content {
        let policies = self.policies.current();
        let mut rules = policies.iter().map(EndpointPolicy::rules);
        let is_asked_for = self.hashing == Hashing::Always
            || rules.any(|rules| rules.is_none_or(|rules| rules.asks_for_digest()));
        if is_asked_for {
            Content::Open
        } else {
            Content::Leave
        }
    }

    /// SECURITY: a process that was not traced a moment ago may be by now, so what rules forbid is
    /// read anew for each request.
    fn asks_for_flags(&self) -> bool {
        let policies = self.policies.current();
        let mut rules = policies.iter().map(EndpointPolicy::rules);
        // As for digests: rules that arrive during a hold must not meet flags of long ago.
        rules.any(|rules| rules.is_none_or(|rules| rules.asks_for_flags()))
    }

    /// Reads `/proc` and the user database, which may block, on a thread of their own.
    async fn read(
        &self,
        flow: FlowRecord,
        content: Content,
    ) -> Result<(Description, Option<std::fs::File>), Reason> {
        let reader = self.readers.enter(&flow).await;
        let accounts = Arc::clone(&self.accounts);
        let reading = tokio::task::spawn_blocking(move || {
            let described = process::describe(&flow, content);
            let described = described.map(|process| describe(&flow, process, &accounts));
            drop(reader);
            described
        });
        reading.await.unwrap_or(Err(Reason::CallerUnreadable))
    }
}

fn describe(
    flow: &FlowRecord,
    process: Process,
    accounts: &Accounts,
) -> (Description, Option<std::fs::File>) {
    let (script_path, script) = process
        .script
        .map_or((None, None), |script| (script.path, Some(script.shown)));
    let description = Description {
        attributes: Attributes {
            user_name: accounts.user_name(flow.euid),
            group_names: accounts.group_names(&process.groups),
            executable: process.executed.path,
            uid: Some(flow.euid.0),
            gid: Some(flow.egid.0),
            script_path,
            flags: process.flags,
            ..Attributes::default()
        },
        executable_state: process.executed.state,
        script,
        preloads: process.preloads,
        ancestors: process.ancestors,
    };
    (description, process.content)
}

/// Returns what the kernel alone says of a caller.
#[must_use]
pub fn undescribed(flow: &FlowRecord) -> CallerRecord {
    description::record(flow, None)
}
