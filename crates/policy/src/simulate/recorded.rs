//! An audit record as a question, and what was decided then.

use jiff::Timestamp;
use latchkey_protocol::{Attributes, Caller, Elevation, Flag, Flags, Reason};
use latchkey_record::audit::{AUDIT_VERSION, Outcome};
use latchkey_record::{AuditRecord, CallerRecord};

use super::Question;
use crate::case::Verdict;

/// Records hold at most this many bytes of a target.
const MAX_TARGET_BYTES: usize = 1024;

/// A request that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// What was asked.
    pub question: Question,
    /// When.
    pub time: Timestamp,
    /// What was decided by rules then; nothing if something else ended the request.
    pub verdict: Option<Verdict>,
}

/// Why a record cannot be judged anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordedError {
    /// The caller is not known.
    #[error("the record names no caller")]
    NoCaller,
    /// The endpoint is not known.
    #[error("the record names no endpoint")]
    NoEndpoint,
    /// The head was malformed.
    #[error("the record holds no method and target, as the request was malformed")]
    NoRequest,
    /// What the fields of this version mean is not known here.
    #[error("the record is of version {0}, and {AUDIT_VERSION} is what can be read")]
    OtherVersion(u32),
    /// Only the start of the target was recorded.
    #[error("the record holds only the start of the target")]
    ShortenedTarget,
}

impl TryFrom<AuditRecord> for Recorded {
    type Error = RecordedError;

    fn try_from(record: AuditRecord) -> Result<Self, RecordedError> {
        if record.version != AUDIT_VERSION {
            return Err(RecordedError::OtherVersion(record.version));
        }
        let verdict = verdict(&record);
        let objection = record.reason.or(record.would_refuse);
        let (Some(method), Some(target)) = (record.method, record.target) else {
            return Err(RecordedError::NoRequest);
        };
        if target.len() >= MAX_TARGET_BYTES {
            return Err(RecordedError::ShortenedTarget);
        }
        let caller = record.caller.ok_or(RecordedError::NoCaller)?;
        Ok(Self {
            question: Question {
                endpoint: record.kind.ok_or(RecordedError::NoEndpoint)?,
                method,
                target: target.into_bytes(),
                caller: self::caller(&caller, objection),
                objection: objection.filter(|reason| is_about_headers(*reason)),
            },
            time: record.time,
            verdict,
        })
    }
}

/// Returns the caller as rules saw it.
fn caller(record: &CallerRecord, objection: Option<Reason>) -> Caller {
    let elevation = if record.root {
        Elevation::Root
    } else {
        Elevation::Unprivileged
    };
    let attributes = match objection {
        Some(reason) if is_about_caller(reason) => Err(reason),
        Some(_) | None => Ok(attributes(record)),
    };
    Caller {
        elevation,
        attributes,
    }
}

fn attributes(record: &CallerRecord) -> Attributes {
    Attributes {
        user_name: record.user.clone(),
        group_names: record.groups.clone(),
        executable: record.executable.clone(),
        uid: Some(record.euid),
        gid: Some(record.egid),
        cgroup: record.cgroup_path.clone(),
        systemd_unit: record.unit.clone(),
        systemd_slice: record.slice.clone(),
        container_id: record.container.as_ref().map(|found| found.id.clone()),
        // Rules know scripts by absolute paths alone.
        script_path: record.script.clone().filter(|path| path.starts_with('/')),
        exe_sha256: record.exe_sha256.clone(),
        flags: flags(record),
    }
}

fn flags(record: &CallerRecord) -> Flags {
    let known = Flag::ALL
        .into_iter()
        .filter(|flag| !record.unknown_flags.contains(flag));
    known.fold(Flags::default(), |flags, flag| {
        flags.with(flag, Some(record.flags.contains(&flag)))
    })
}

/// Returns what the rules made of the request, whatever became of it later.
fn verdict(record: &AuditRecord) -> Option<Verdict> {
    if record.would_refuse.is_some_and(is_decided) {
        return Some(Verdict::Audit);
    }
    match (record.outcome, record.reason) {
        (Outcome::Refused, Some(reason)) => is_decided(reason).then_some(Verdict::Deny),
        (Outcome::Forwarded, _) if record.would_refuse.is_none() => Some(Verdict::Allow),
        (Outcome::Failed | Outcome::Abandoned, _) if record.rule.is_some() => Some(Verdict::Allow),
        _ => None,
    }
}

/// Returns whether a reason is the policy's own, and not that of a full queue or a missing key.
const fn is_decided(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::RootRequired | Reason::NoMatchingRule | Reason::CallerNotAssigned
    ) || is_about_caller(reason)
        || is_about_headers(reason)
        || is_about_target(reason)
}

const fn is_about_caller(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::CallerGone | Reason::CallerReplaced | Reason::CallerUnreadable
    )
}

/// Returns whether a reason comes from headers, which records do not hold.
const fn is_about_headers(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::RepeatedHeader
            | Reason::NonAsciiHeader
            | Reason::ForeignHost
            | Reason::ForwardedRequest
            | Reason::ConnectionNamesHeader
    )
}

const fn is_about_target(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::EncodedSeparator
            | Reason::DotSegment
            | Reason::DoubleEncoding
            | Reason::ControlCharacter
            | Reason::InvalidEncoding
            | Reason::EncodedDelimiter
            | Reason::PathParameter
            | Reason::UnusualPathCharacter
            | Reason::InvalidPercentEncoding
            | Reason::RepeatedParameter
            | Reason::CollidingParameters
            | Reason::NamelessParameter
            | Reason::UnusualParameterName
            | Reason::SemicolonInQuery
    )
}
