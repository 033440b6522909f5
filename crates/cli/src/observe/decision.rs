//! One decision as it is told to others: the stable form of `--format json`, documented in
//! `docs/reference/observe.md`.
//!
//! Its first fields are those of a request line, so that what was observed can be simulated.

use jiff::Timestamp;
use latchkey_protocol::{EndpointKind, Mode, Reason};
use latchkey_record::audit::Outcome;
use latchkey_record::{AuditRecord, CallerRecord};
use serde::Serialize;

/// What became of a request by the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Allow,
    Audit,
    Deny,
    /// No decision was reached, or the line is no record.
    Error,
}

impl Verdict {
    pub(super) const ALL: [Self; 4] = [Self::Allow, Self::Audit, Self::Deny, Self::Error];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Audit => "audit",
            Self::Deny => "deny",
            Self::Error => "error",
        }
    }

    /// Returns the verdict that a record tells of.
    pub(super) fn of(record: &AuditRecord) -> Self {
        match record.outcome {
            Outcome::Refused => Self::Deny,
            // The client went away while the decision waited, or before one was needed.
            Outcome::Abandoned if record.mode.is_none() => Self::Error,
            Outcome::Forwarded | Outcome::Failed | Outcome::Abandoned => {
                record.would_refuse.map_or(Self::Allow, |_| Self::Audit)
            }
        }
    }
}

/// One line of the answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Decision<'a> {
    id: String,
    endpoint: Option<EndpointKind>,
    method: Option<&'a str>,
    target: Option<&'a str>,
    caller: Option<Caller<'a>>,
    verdict: Verdict,
    reason: Option<Reason>,
    rule: Option<&'a str>,
    mode: Option<Mode>,
    outcome: Outcome,
    status: Option<u16>,
    signed: bool,
    time: Timestamp,
    duration_us: u64,
}

/// The caller in the form of claims.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Caller<'a> {
    user_name: Option<&'a str>,
    user_groups: &'a [String],
    process_name: Option<&'a str>,
    process_full_path: Option<&'a str>,
    run_as_elevated: bool,
    process_id: u32,
    uid: u32,
    gid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    systemd_unit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    systemd_slice: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exe_sha256: Option<&'a str>,
}

/// A line that is no record, in its place.
#[derive(Debug, Serialize)]
pub(super) struct Unreadable<'a> {
    pub(super) verdict: Verdict,
    pub(super) problem: &'a str,
}

impl<'a> Decision<'a> {
    pub(super) fn of(record: &'a AuditRecord) -> Self {
        Self {
            id: format!("{}-{}", record.run, record.sequence),
            endpoint: record.kind,
            method: record.method.as_deref(),
            target: record.target.as_deref(),
            caller: record.caller.as_deref().map(Caller::of),
            verdict: Verdict::of(record),
            reason: reason(record),
            rule: record.rule.as_deref(),
            mode: record.mode,
            outcome: record.outcome,
            status: record.status,
            signed: record.signed,
            time: record.time,
            duration_us: record.duration_us,
        }
    }
}

impl<'a> Caller<'a> {
    fn of(caller: &'a CallerRecord) -> Self {
        let executable = caller.executable.as_deref();
        let name = executable.and_then(|path| path.rsplit('/').next());
        Self {
            user_name: caller.user.as_deref(),
            user_groups: &caller.groups,
            process_name: name.or(Some(&caller.comm)),
            process_full_path: executable,
            run_as_elevated: caller.root,
            process_id: caller.pid,
            uid: caller.euid,
            gid: caller.egid,
            systemd_unit: caller.unit.as_deref(),
            systemd_slice: caller.slice.as_deref(),
            container_id: caller.container.as_ref().map(|found| found.id.as_str()),
            cgroup: caller.cgroup_path.as_deref(),
            script_path: caller.script.as_deref(),
            exe_sha256: caller.exe_sha256.as_deref(),
        }
    }
}

/// Returns why a request was, or in Enforce would have been, refused; or why it failed.
pub(super) fn reason(record: &AuditRecord) -> Option<Reason> {
    record.reason.or(record.would_refuse)
}

/// Returns a caller in few words: where it runs, as whom, and what it is.
pub(super) fn caller_in_words(record: &AuditRecord) -> String {
    let Some(caller) = record.caller.as_deref() else {
        return "unknown".to_owned();
    };
    let container = caller.container.as_ref();
    let container = container.map(|found| found.id.chars().take(12).collect());
    let home = caller.unit.clone().or(container);
    let user = caller.user.clone();
    let user = user.unwrap_or_else(|| format!("uid {}", caller.euid));
    let program = caller.script.as_ref().or(caller.executable.as_ref());
    let program = program.map_or_else(|| format!("({})", caller.comm), String::clone);
    let words = home.into_iter().chain([user, program]);
    words.collect::<Vec<_>>().join(" ")
}

/// Returns what was asked for in few words.
pub(super) fn request_in_words(record: &AuditRecord) -> String {
    match (&record.method, &record.target) {
        (Some(method), Some(target)) => format!("{method} {target}"),
        _ => "a request that was not read".to_owned(),
    }
}
