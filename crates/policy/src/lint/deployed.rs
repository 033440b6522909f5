//! What the agent that is deployed today makes of a profile: another thing than Latchkey.
//!
//! It ignores fields that it does not know, takes an identity without a selector for everybody, and compares
//! the text of rules without decoding it.

use latchkey_protocol::authorization::{Identity, Privilege, QueryParameters};
use latchkey_protocol::target::{canonical_name, canonical_text};

use super::parameters::pointer;
use super::reading::{PrivilegeView, Reading, identity_at, privilege_at};
use super::region::Extent;
use super::{Code, Finding};

pub(super) fn look(reading: &Reading<'_>, findings: &mut Vec<Finding>) {
    for (at, identity) in reading.identities.iter().enumerate() {
        if reading.is_assigned.get(at) == Some(&true) && is_blank(identity) {
            findings.push(Finding::new(
                Code::EverybodyOnDeployed,
                identity_at(at),
                format!("deployed agents know none of the selectors of `{}` and take every caller for it", identity.name),
                "give it a userName or exePath too, which both kinds of agents understand",
            ));
        }
    }
    for (at, privilege) in reading.privileges.iter().enumerate() {
        findings.extend(path(at, privilege));
        parameters(at, privilege.form, findings);
    }
    findings.extend(ignored(reading));
}

const fn is_blank(identity: &Identity) -> bool {
    identity.user_name.is_none()
        && identity.group_name.is_none()
        && identity.exe_path.is_none()
        && identity.process_name.is_none()
}

fn path(at: usize, privilege: &PrivilegeView<'_>) -> Option<Finding> {
    let region = &privilege.region;
    let text = privilege.form.path.to_ascii_lowercase();
    let bare = if region.path == "/" {
        text.as_str()
    } else {
        text.strip_suffix('/').unwrap_or(&text)
    };
    let is_plain = bare == region.path;
    (!is_plain).then(|| {
        Finding::new(
            Code::NeverMatchesOnDeployed,
            format!("{}/path", privilege_at(at)),
            format!(
                "deployed agents look for `{text}` as it stands, and requests come as `{}`",
                region.path
            ),
            "write the path without percent-encoding and without empty segments",
        )
    })
}

fn parameters(at: usize, privilege: &Privilege, findings: &mut Vec<Finding>) {
    let Some(QueryParameters(parameters)) = &privilege.query_parameters else {
        return;
    };
    for (name, value) in parameters {
        let is_plain = canonical_name(name).is_ok_and(|read| read == name.to_ascii_lowercase())
            && canonical_text(value).is_ok_and(|read| read == value.to_ascii_lowercase());
        if !is_plain {
            findings.push(Finding::new(
                Code::NeverMatchesOnDeployed,
                pointer(at, name),
                format!("deployed agents compare `{name}` and `{value}` as they stand with what they have decoded"),
                "write name and value without percent-encoding",
            ));
        }
    }
}

/// Returns one finding for all fields that make the rules another on deployed agents.
fn ignored(reading: &Reading<'_>) -> Option<Finding> {
    let mut members = Vec::new();
    let mut note = |member: &'static str, is_given: bool| {
        if is_given && !members.contains(&member) {
            members.push(member);
        }
    };
    note("auditUntil", reading.item.audit_until.is_some());
    for privilege in &reading.privileges {
        note("methods", privilege.form.methods.is_some());
        note("pathMatch", privilege.region.extent == Extent::Exact);
    }
    for identity in reading.identities {
        note("systemdUnit", identity.systemd_unit.is_some());
        note("systemdSlice", identity.systemd_slice.is_some());
        note("containerId", identity.container_id.is_some());
        note("cgroup", identity.cgroup.is_some());
        note("scriptPath", identity.script_path.is_some());
        note("exeSha256", identity.exe_sha256.is_some());
        note("uid", identity.uid.is_some());
        note("gid", identity.gid.is_some());
        note("forbid", identity.forbid.is_some());
    }
    for assignment in reading.assignments {
        note("mode of assignments", assignment.mode.is_some());
    }
    // Without rules it is the end of Audit alone.
    let pointer = match &reading.item.rules {
        Some(_) => "/rules",
        None => "/auditUntil",
    };
    (!members.is_empty()).then(|| {
        Finding::new(
            Code::IgnoredByDeployed,
            pointer,
            format!("deployed agents ignore {}", members.join(", ")),
            "apply the profile only where Latchkey runs, or see that the rest alone is narrow enough",
        )
    })
}
