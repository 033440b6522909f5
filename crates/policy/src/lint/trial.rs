//! Mode, default and the end of Audit: profiles that do not do what their rules say.

use jiff::{SignedDuration, Timestamp};
use latchkey_protocol::Mode;

use super::reading::{PrivilegeView, Reading};
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
    // What a role covers that is on trial is let through, whoever holds it.
    let has_trial = (0..reading.assignments.len()).any(|at| is_open_trial(reading, at));
    (grants_nothing && !has_trial && reading.default_access == Access::Deny).then(|| {
        Finding::new(
            Code::DeniesEverything,
            "/defaultAccess",
            format!(
                "the default is Deny and nobody has any privilege, so every request is {}",
                match reading.mode {
                    Mode::Enforce => "refused",
                    Mode::Audit | Mode::Disabled => "recorded as refused",
                }
            ),
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
    if own != Mode::Audit || reading.mode != Mode::Enforce {
        return None;
    }
    let mut privileges = privileges(reading, at);
    if let Some(token) = privileges.find(|privilege| reaches_token(&privilege.region)) {
        return Some(Finding::new(
            Code::TokenInAudit,
            pointer,
            format!(
                "callers who are refused under `{}` get tokens all the same, while the assignment of `{role}` is in Audit",
                token.form.name
            ),
            "enforce what reaches tokens first",
        ));
    }
    is_open_trial(reading, at).then(|| {
        Finding::new(
            Code::OpenTrial,
            pointer,
            format!(
                "the default Deny is enforced, but what `{role}` covers is let through for everybody, as the assignment is in Audit"
            ),
            "leave the mode out; for a trial set the mode of the profile to Audit, and enforce the other assignments",
        )
    })
}

/// Returns whether an assignment lets everybody have what the default would refuse: its Audit puts no
/// restriction on trial, but opens.
fn is_open_trial(reading: &Reading<'_>, at: usize) -> bool {
    reading.mode_of(at) == Some(Mode::Audit)
        && reading.mode == Mode::Enforce
        && reading.default_access == Access::Deny
        && privileges(reading, at).next().is_some()
}

/// Returns the privileges that an assignment is about.
fn privileges<'a>(
    reading: &'a Reading<'_>,
    at: usize,
) -> impl Iterator<Item = &'a PrivilegeView<'a>> {
    let role = reading
        .assignments
        .get(at)
        .map(|assignment| &assignment.role);
    let mut views = reading.roles.iter();
    let view = views.find(|view| Some(&view.form.name) == role);
    let held = view.into_iter().flat_map(|view| &view.privileges);
    held.filter_map(|at| reading.privileges.get(*at))
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
