//! Mode, default and the end of Audit: profiles that do not do what their rules say.

use jiff::{SignedDuration, Timestamp};
use latchkey_protocol::Mode;

use super::reading::Reading;
use super::secrets::reaches_token;
use super::{Code, Finding};
use crate::rules::Access;

/// How long before its end Audit is reported.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

pub(super) fn look(reading: &Reading<'_>, findings: &mut Vec<Finding>) {
    findings.extend(mode(reading));
    for at in 0..reading.assignments.len() {
        findings.extend(assignment(reading, at));
    }
    findings.extend(end_of_audit(reading));
}

fn mode(reading: &Reading<'_>) -> Option<Finding> {
    if reading.mode == Mode::Disabled {
        return (!reading.privileges.is_empty()).then(|| {
            Finding::new(
                Code::DisabledWithRules,
                "/mode",
                "the profile is Disabled, so its rules neither refuse nor record anything",
                "set the mode to Audit to see what the rules would refuse",
            )
        });
    }
    let grants_nothing = !reading
        .privileges
        .iter()
        .any(|privilege| reading.is_granted(privilege));
    (grants_nothing && reading.default_access == Access::Deny).then(|| {
        Finding::new(
            Code::DeniesEverything,
            "/defaultAccess",
            "the default is Deny and nobody has any privilege, so every request is refused",
            "grant what is needed, or set the default to Allow",
        )
    })
}

fn assignment(reading: &Reading<'_>, at: usize) -> Option<Finding> {
    let own = reading.mode_of(at)?;
    let role = &reading.assignments.get(at)?.role;
    let pointer = format!("/rules/roleAssignments/{at}/mode");
    if own == reading.mode {
        return Some(Finding::new(
            Code::RedundantMode,
            pointer,
            format!("the assignment of `{role}` sets the mode {own}, which the profile has anyway"),
            "leave it out, so that it does not stay behind when the profile's mode changes",
        ));
    }
    let is_weaker = own == Mode::Audit && reading.mode == Mode::Enforce;
    let view = reading.roles.iter().find(|view| view.form.name == *role)?;
    let mut privileges = view
        .privileges
        .iter()
        .filter_map(|at| reading.privileges.get(*at));
    let token = privileges.find(|privilege| reaches_token(&privilege.region))?;
    is_weaker.then(|| {
        Finding::new(
            Code::TokenInAudit,
            pointer,
            format!(
                "callers who are refused under `{}` get tokens all the same, while the assignment of `{role}` is in Audit",
                token.form.name
            ),
            "enforce what reaches tokens first",
        )
    })
}

fn end_of_audit(reading: &Reading<'_>) -> Option<Finding> {
    let modes = (0..reading.assignments.len()).map(|at| reading.mode_of(at));
    let mut in_audit = modes
        .enumerate()
        .filter(|(_, mode)| *mode == Some(Mode::Audit));
    let place = match reading.mode {
        Mode::Disabled => return None,
        Mode::Audit => Some("/mode".to_owned()),
        Mode::Enforce => in_audit
            .next()
            .map(|(at, _)| format!("/rules/roleAssignments/{at}/mode")),
    };
    match (place, &reading.item.audit_until) {
        (Some(place), None) => Some(Finding::new(
            Code::AuditWithoutEnd,
            place,
            "Audit lets pass what the rules refuse, and here it has no end",
            "set auditUntil, so that it is not left on by mistake",
        )),
        (None, Some(_)) => Some(Finding::new(
            Code::AuditEndWithoutAudit,
            "/auditUntil",
            "there is an end of Audit, and nothing is in Audit",
            "leave auditUntil out",
        )),
        (Some(_), Some(until)) => deadline(reading.now, until.parse().ok()?),
        (None, None) => None,
    }
}

fn deadline(now: Timestamp, until: Timestamp) -> Option<Finding> {
    let pointer = "/auditUntil";
    if until <= now {
        return Some(Finding::new(
            Code::AuditExpired,
            pointer,
            format!("Audit ended at {until}: the profile is enforced"),
            "set the mode to Enforce, or give Audit a later end",
        ));
    }
    (until.duration_since(now) <= SOON).then(|| {
        Finding::new(
            Code::AuditExpiresSoon,
            pointer,
            format!("Audit ends at {until}, and then what the rules refuse is refused"),
            "see what Audit has recorded as refused, and correct the rules or give Audit a later end",
        )
    })
}
