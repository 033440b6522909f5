//! What was observed, as it comes in and as it is asked for: records, statuses, and aggregates without loss.

mod aggregate;

use std::collections::BTreeSet;

use jiff::Timestamp;
use latchkey_protocol::{EndpointKind, Mode};
use latchkey_record::{AgentStatus, AuditRecord, Observation};
use serde::{Deserialize, Serialize};

/// What one reporter sends in one piece: taken whole or not at all, and once.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Who sends it: a gateway or an agent, by an id that is never given to another.
    pub source: String,
    /// Unique among its source's batches; the same batch sent again has the same.
    pub id: String,
    /// When it came in.
    pub received: Timestamp,
    /// The records.
    pub records: Vec<Record>,
    /// The newest statuses of machines.
    pub statuses: Vec<MachineStatus>,
}

/// One record, of either of the two observers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    tag = "observer",
    content = "record"
)]
pub enum Observed {
    /// What the machine's agent recorded.
    Agent(AuditRecord),
    /// What the gateway saw.
    Gateway(Observation),
}

/// A record and its machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// The machine's id; absent when a gateway knew none.
    pub machine: Option<String>,
    /// What was recorded.
    pub observed: Observed,
}

/// The status of a machine's agent.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineStatus {
    /// The machine's id.
    pub machine: String,
    /// Its agent's status.
    pub status: AgentStatus,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchOutcome {
    /// It is in the store.
    Taken,
    /// It was there before; nothing was counted again.
    Duplicate,
}

/// What became of a request, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The rules allowed it.
    Allowed,
    /// It was refused.
    Refused,
    /// It passed in Audit, and Enforce would have refused it.
    WouldRefuse,
    /// It was neither: nobody decided, or it broke off.
    Unfinished,
}

/// Who asked, without what changes from run to run: what an allowlist could name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Caller {
    /// The effective user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The effective user id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The effective group id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// The names of the groups.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// The executable's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// The kernel's name of the task, where nothing better is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// The script that an interpreter runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// The systemd unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The container's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// SHA-256 of the executable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe_sha256: Option<String>,
    /// Whether it is root, where only that is known (a gateway's observation).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<bool>,
}

/// What is counted together. Two requests have the same if an allowlist could not tell them apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SightingKey {
    /// The machine's id; empty when the gateway knew none.
    pub machine: String,
    /// Who saw it.
    pub observer: Observer,
    /// Which endpoint was asked; absent when it was not known.
    pub endpoint: Option<EndpointKind>,
    /// Who asked.
    pub caller: Caller,
    /// The method; empty when the head was malformed.
    pub method: String,
    /// The canonical path, or the path as received where it has none.
    pub path: String,
    /// The names of the query's parameters in order, joined with `&`; with `=value` where the value
    /// tells requests apart that an allowlist would (`comp`, `type`, `resource`).
    pub query: String,
    /// What became of it.
    pub verdict: Verdict,
    /// What decided: privilege and identity, the default, or the reason's code.
    pub rule: String,
    /// The mode of the endpoint.
    pub mode: Option<Mode>,
}

/// Who saw a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observer {
    /// The machine's agent.
    Agent,
    /// The gateway.
    Gateway,
}

/// How often something was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sighting {
    /// SHA-256 of the key, in hexadecimal digits.
    pub id: String,
    /// What.
    pub key: SightingKey,
    /// How often.
    pub count: u64,
    /// When it was first seen, by the records' times.
    pub first_seen: Timestamp,
    /// When it was last seen, by the records' times.
    pub last_seen: Timestamp,
}

/// Which records or sightings are asked for; what is left out does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of these machines.
    pub machines: Option<Vec<String>>,
    /// Seen by this observer.
    pub observer: Option<Observer>,
    /// At this endpoint.
    pub endpoint: Option<EndpointKind>,
    /// With this verdict.
    pub verdict: Option<Verdict>,
    /// Whose path begins so.
    pub path: Option<String>,
    /// Whose caller's user, executable, script, unit or container is exactly this text.
    pub caller: Option<String>,
    /// Of records: at this time or later. Of sightings: last seen then or later.
    pub since: Option<Timestamp>,
    /// Of records: before this time. Of sightings: first seen before then.
    pub until: Option<Timestamp>,
    /// Of sightings: first seen at this time or later.
    pub new_since: Option<Timestamp>,
}

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRecord {
    /// Counts arrivals.
    pub sequence: u64,
    /// When it came in.
    pub received: Timestamp,
    /// The record.
    pub record: Record,
}

/// A status as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredStatus {
    /// When it came in.
    pub received: Timestamp,
    /// The status.
    pub status: MachineStatus,
}

/// How long and how much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Raw records that came in before this are deleted.
    pub records_before: Timestamp,
    /// At most so many raw records are kept, the newest.
    pub max_records: u64,
    /// Aggregates that were last seen before this are deleted.
    pub sightings_before: Timestamp,
    /// Entries of the activity log before this are deleted.
    pub activity_before: Timestamp,
    /// Ids of batches that came in before this are forgotten.
    pub batches_before: Timestamp,
}

/// How much was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Documents that had expired.
    pub documents: u64,
    /// Raw records.
    pub records: u64,
    /// Aggregates.
    pub sightings: u64,
    /// Entries of the activity log.
    pub activity: u64,
    /// Ids of batches.
    pub batches: u64,
}
