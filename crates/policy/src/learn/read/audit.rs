//! Latchkey's audit records.

use std::borrow::Cow;

use latchkey_protocol::{Flag, Reason};
use latchkey_record::audit::AUDIT_VERSION;
use latchkey_record::audit::Outcome;
use latchkey_record::caller::ExecutableState;

use super::form::{AnyLine, AuditCaller, Text, Version};
use super::{Line, RecordId, Unread};
use crate::learn::{CallerSeen, Sample, Script, Source, Verdict};

pub(super) fn read(line: AnyLine<'_>) -> Line<'_> {
    if !matches!(line.version, Some(Version::Number(AUDIT_VERSION))) {
        return Line::Unread(Unread::UnknownVersion);
    }
    let Some(endpoint) = line.kind else {
        return Line::Unread(Unread::UnknownEndpoint);
    };
    let time = line.any_time();
    let run = line.run.as_ref().filter(|Text(run)| !run.is_empty());
    let id = run
        .zip(line.sequence)
        .map(|(Text(run), sequence)| RecordId::audit(run, sequence));
    let verdict = verdict(line.outcome, line.would_refuse.as_ref());
    let (Some(Text(method)), Some(Text(target)), Some(caller)) =
        (line.method, line.target, line.caller)
    else {
        return Line::Unread(Unread::Incomplete);
    };
    let sample = Sample {
        time,
        endpoint,
        method,
        target,
        caller: seen(caller),
        verdict,
        status: line.status,
        count: 1,
        source: Source::Audit,
    };
    Line::Sample(Box::new(sample), id)
}

fn verdict(outcome: Option<Outcome>, would_refuse: Option<&Text<'_>>) -> Verdict {
    match outcome {
        Some(Outcome::Forwarded) => {}
        Some(Outcome::Refused) => return Verdict::Refused,
        Some(Outcome::Failed | Outcome::Abandoned) | None => return Verdict::Failed,
    }
    let Some(Text(reason)) = would_refuse else {
        return Verdict::Forwarded;
    };
    // Rules or a key that had not arrived say nothing about the request.
    let gaps = [
        Reason::NoMatchingRule,
        Reason::RulesPending,
        Reason::KeyPending,
    ];
    if gaps.iter().any(|gap| gap.as_str() == reason) {
        Verdict::Forwarded
    } else if reason == Reason::CallerNotAssigned.as_str() {
        Verdict::Withheld
    } else {
        Verdict::Refused
    }
}

fn seen(caller: AuditCaller<'_>) -> CallerSeen<'_> {
    let mut flags = caller.flags;
    let has_path = match caller.executable_state {
        Some(ExecutableState::Present) | None => true,
        Some(ExecutableState::Deleted) => {
            flags.push(Flag::DeletedExecutable);
            false
        }
        Some(ExecutableState::Memory) => {
            flags.push(Flag::MemoryExecutable);
            false
        }
        // No rule about the path would hold for it.
        Some(ExecutableState::ForeignMountNamespace | ExecutableState::Covered) => false,
    };
    flags.sort_unstable();
    flags.dedup();
    CallerSeen {
        user: own(caller.user),
        uid: Some(caller.euid),
        root: caller.root,
        executable: own(caller.executable).filter(|_| has_path),
        unit: own(caller.unit),
        script: own(caller.script).map(Script::Executed),
        flags,
    }
}

fn own(text: Option<Text<'_>>) -> Option<Cow<'_, str>> {
    text.map(|Text(text)| text)
}
