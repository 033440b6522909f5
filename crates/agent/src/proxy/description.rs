//! What the record of a request says about it, filled in as it becomes known.

use std::sync::Arc;

use latchkey_policy::{Decision, RuleSet};
use latchkey_protocol::RequestHead;

use super::Session;
use crate::audit::AuditGuard;
use crate::judge::Ruling;

/// How much of a target a record holds, in bytes.
const MAX_RECORDED_TARGET_BYTES: usize = 1024;

pub(super) fn describe_session(guard: &mut AuditGuard, session: &Session<'_>) {
    let record = &mut guard.record;
    record.endpoint = Some(Arc::clone(&session.endpoint_name));
    record.kind = Some(session.endpoint.kind);
    record.destination = Some(Arc::clone(&session.destination_text));
    record.caller = Some(Arc::clone(&session.identity.record));
}

pub(super) fn describe_head(guard: &mut AuditGuard, head: &RequestHead) {
    guard.record.method = Some(head.method.as_str().to_owned());
    // Targets are ASCII, so any length is a character border.
    let shown = head
        .target
        .get(..MAX_RECORDED_TARGET_BYTES)
        .unwrap_or(&head.target);
    guard.record.target = Some(shown.to_owned());
}

pub(super) fn describe_ruling(guard: &mut AuditGuard, ruling: Option<&Ruling>) {
    let Some(Ruling { decision, .. }) = ruling else {
        return;
    };
    let basis = decision.basis();
    guard.record.mode = Some(basis.mode());
    guard.record.rules = basis.rules().and_then(RuleSet::id).map(str::to_owned);
    guard.record.rule = basis.rule().map(ToString::to_string);
    guard.record.would_refuse = match decision {
        Decision::Permitted(permit) => permit.would_refuse(),
        Decision::Refused(_) => None,
    };
}
