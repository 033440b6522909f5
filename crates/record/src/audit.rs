//! One audit record for every request that reached the agent, whatever became of it.

use std::sync::Arc;

use jiff::Timestamp;
use latchkey_protocol::{EndpointKind, Mode, Reason};
use serde::{Deserialize, Serialize};

use crate::caller::CallerRecord;

/// The version of this form.
pub const AUDIT_VERSION: u32 = 1;

/// One request: who asked for what, what was decided by which rule, and what came of it.
///
/// What is the same for all requests of a connection is shared, not copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditRecord {
    /// [`AUDIT_VERSION`].
    pub version: u32,
    /// Counts the records of one run of the agent from 1; a gap is a lost record.
    pub sequence: u64,
    /// Names the run of the agent that counted: changes at each start.
    pub run: String,
    /// When the request's head had arrived.
    pub time: Timestamp,
    /// From the head's arrival to the end of the response, in microseconds.
    pub duration_us: u64,
    /// The endpoint's name; absent without a flow record.
    pub endpoint: Option<Arc<str>>,
    /// What kind of endpoint it is.
    pub kind: Option<EndpointKind>,
    /// The address that the caller asked for; absent without a flow record.
    pub destination: Option<Arc<str>>,
    /// The method; absent when the head was malformed.
    pub method: Option<String>,
    /// The target as received, at most 1,024 bytes; absent when the head was malformed.
    pub target: Option<String>,
    /// The calling process; absent without a flow record.
    pub caller: Option<Arc<CallerRecord>>,
    /// The mode in which it was decided; absent when it was not decided.
    pub mode: Option<Mode>,
    /// The id of the rules in force.
    pub rules: Option<String>,
    /// The privilege and identity, or the default, that allowed the request.
    pub rule: Option<String>,
    /// What was decided, and how it ended.
    pub outcome: Outcome,
    /// Why the request was refused or failed.
    pub reason: Option<Reason>,
    /// In Audit: why Enforce would have refused.
    pub would_refuse: Option<Reason>,
    /// Whether the request travelled signed.
    pub signed: bool,
    /// The status of the answer; absent when none was sent.
    pub status: Option<u16>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Forwarded, and the host's answer went back whole.
    Forwarded,
    /// Refused before it left the machine.
    Refused,
    /// Allowed, but the host could not be asked, or its answer broke off.
    Failed,
    /// Neither: the client went away, or the agent stopped.
    Abandoned,
}
