//! The report: what each rule rests on, what was generalised and why, what needs a decision, and what
//! became nothing. It holds no value that looks secret.

use std::collections::BTreeMap;

use jiff::Timestamp;
use latchkey_protocol::EndpointKind;
use latchkey_protocol::authorization::{Identity, Privilege};
use serde::Serialize;

use super::evidence;
use super::grant::{Grant, Grants};
use super::tally::{self, Tally};
use super::{Mark, Options, Source};

/// The version of this form.
pub const REPORT_VERSION: u32 = 1;

/// All that there is to say about what was learned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version of this form.
    pub version: u32,
    /// How many requests were counted.
    pub requests: u64,
    /// Who recorded them.
    pub sources: Vec<Source>,
    /// Whether a source leaves requests out, so that rules may be missing.
    pub is_sampled: bool,
    /// The rules, and those that wait for a decision.
    pub entries: Vec<Entry>,
    /// What became no rule.
    pub not_learned: Vec<Left>,
    /// Callers of whom no request was recorded.
    pub callers_without_requests: Vec<CallerOnly>,
    /// What the limits kept out.
    pub overflow: Overflow,
    /// Ids to accept that nothing has.
    pub unknown_ids: Vec<String>,
}

/// One rule, or one that waits for a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Names it, for accepting it.
    pub id: String,
    /// Whose profile it is in.
    pub endpoint: EndpointKind,
    /// Who.
    pub identity: Identity,
    /// What.
    pub privilege: Privilege,
    /// Whether it is a rule.
    pub state: State,
    /// What was seen.
    pub evidence: Evidence,
    /// The callers as they were recorded.
    pub callers: Vec<String>,
    /// What a person should know.
    pub marks: Vec<Mark>,
    /// What was left open, and why.
    pub open: Vec<Open>,
}

/// Whether something is a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It is one, because it was accepted.
    Accepted,
    /// It is one.
    Learned,
    /// It is none until it is accepted.
    NeedsDecision,
}

impl State {
    pub(super) fn of(grant: &Grant) -> Self {
        match (grant.asks(), grant.is_accepted) {
            (false, _) => Self::Learned,
            (true, true) => Self::Accepted,
            (true, false) => Self::NeedsDecision,
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// How many requests.
    pub count: u64,
    /// The first one's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "latchkey_protocol::authorization::schema::moment")
    )]
    pub first_seen: Option<Timestamp>,
    /// The last one's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "latchkey_protocol::authorization::schema::moment")
    )]
    pub last_seen: Option<Timestamp>,
    /// One of the targets, with values cut that look secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

impl Evidence {
    pub(super) fn of(evidence: &evidence::Evidence) -> Self {
        Self {
            count: evidence.count,
            first_seen: evidence.first,
            last_seen: evidence.last,
            example: evidence.example.as_deref().map(str::to_owned),
        }
    }
}

/// A parameter that is left open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// Its name.
    pub parameter: String,
    /// Why any value will do.
    pub why: &'static str,
}

pub(super) fn open(free: &BTreeMap<Box<str>, &'static str>) -> Vec<Open> {
    let open = free.iter().map(|(name, why)| Open {
        parameter: name.to_string(),
        why,
    });
    open.collect()
}

/// Requests that became no rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Left {
    /// Where.
    pub endpoint: &'static str,
    /// Who.
    pub caller: String,
    /// The method.
    pub method: String,
    /// The path, or the target with values cut.
    pub target: String,
    /// Why.
    pub why: String,
    /// What was seen.
    pub evidence: Evidence,
}

/// A caller of whom no request was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CallerOnly {
    /// Where.
    pub endpoint: &'static str,
    /// The user.
    pub user: String,
    /// The executable.
    pub executable: String,
    /// The status of the answers.
    pub status: Option<u16>,
    /// How many.
    pub count: u64,
}

/// Requests that the limits kept out: they are in no rule and in no list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Overflow {
    /// Requests of callers and paths beyond the limit.
    pub requests: u64,
    /// Requests that became no rule, beyond the limit of their list.
    pub not_learned: u64,
    /// Requests of callers without requests, beyond the limit of their list.
    pub callers: u64,
}

impl Report {
    pub(super) fn of(tally: &Tally, options: &Options, grants: &Grants) -> Self {
        let is_known = |id: &String| grants.0.values().any(|grant| grant.id == *id);
        let unknown = options.accept.iter().filter(|id| !is_known(id));
        Self {
            version: REPORT_VERSION,
            requests: tally.requests,
            sources: tally.sources.iter().copied().collect(),
            is_sampled: tally.sources.iter().any(|source| source.is_sampled()),
            entries: Vec::new(),
            not_learned: tally.left.iter().map(Left::of).collect(),
            callers_without_requests: tally.callers.iter().map(CallerOnly::of).collect(),
            overflow: Overflow {
                requests: tally.uses.overflow(),
                not_learned: tally.left.overflow(),
                callers: tally.callers.overflow(),
            },
            unknown_ids: unknown.cloned().collect(),
        }
    }
}

impl Left {
    fn of((key, evidence): (&tally::LeftKey, &evidence::Evidence)) -> Self {
        Self {
            endpoint: key.endpoint,
            caller: key.caller.to_string(),
            method: key.method.to_string(),
            target: key.target.to_string(),
            why: key.why.says(),
            evidence: Evidence::of(evidence),
        }
    }
}

impl CallerOnly {
    fn of((key, count): (&tally::CallerKey, &u64)) -> Self {
        Self {
            endpoint: key.endpoint,
            user: key.user.to_string(),
            executable: key.executable.to_string(),
            status: key.status,
            count: *count,
        }
    }
}
