//! Privileges that do nothing because others cover the same requests.
//!
//! Any privilege that covers a request lets those in who hold it, and the narrowest one has no say of its own.

use std::collections::HashMap;

use super::reading::{PrivilegeView, Reading, privilege_at};
use super::region::Region;
use super::{Code, Finding};
use crate::rules::Access;

/// Of how many identities two roles are compared one by one.
const MAX_COMPARED: usize = 4096;

pub(super) fn look(reading: &Reading<'_>, findings: &mut Vec<Finding>) {
    // Where an assignment has a mode of its own, what covers a request also says how strictly it is
    // refused, so that no privilege does nothing.
    let has_modes = reading
        .assignments
        .iter()
        .any(|assignment| assignment.mode.is_some());
    let mut by_region: HashMap<&Region, usize> = HashMap::new();
    for (at, privilege) in reading.privileges.iter().enumerate() {
        if !reading.is_granted(privilege) {
            findings.push(unassigned(reading, at, privilege));
        }
        if let Some(first) = by_region.get(&privilege.region) {
            findings.extend(duplicate(reading, at, *first));
            continue;
        }
        by_region.insert(&privilege.region, at);
        if has_modes {
            continue;
        }
        let mut wider = reading.containing(&privilege.region);
        let shadowing = wider.find(|wide| *wide != at && shadows(reading, *wide, privilege));
        if let Some(shadowing) = shadowing {
            findings.extend(shadowed(reading, at, shadowing));
        }
    }
}

/// Returns whether all that a privilege does is done by a wider one: it covers the same requests and more,
/// and whoever has the one has the other.
fn shadows(reading: &Reading<'_>, wide: usize, narrow: &PrivilegeView<'_>) -> bool {
    let Some(wide) = reading.privileges.get(wide) else {
        return false;
    };
    reading.is_granted(narrow)
        && narrow
            .roles
            .iter()
            .all(|role| is_held(reading, *role, wide))
}

/// Returns whether whoever has the role also has the privilege by one role.
fn is_held(reading: &Reading<'_>, role: usize, privilege: &PrivilegeView<'_>) -> bool {
    if privilege.roles.binary_search(&role).is_ok() {
        return true;
    }
    let Some(role) = reading.roles.get(role) else {
        return false;
    };
    let mut left = MAX_COMPARED;
    reading.roles_of(privilege).any(|other| {
        left = left.saturating_sub(role.identities.len().max(1));
        left > 0 && role.identities.is_subset(&other.identities)
    })
}

fn name(reading: &Reading<'_>, at: usize) -> String {
    let privilege = reading.privileges.get(at);
    privilege
        .map(|privilege| privilege.form.name.clone())
        .unwrap_or_default()
}

fn duplicate(reading: &Reading<'_>, at: usize, first: usize) -> Option<Finding> {
    let privilege = reading.privileges.get(at)?;
    Some(Finding::new(
        Code::DuplicatePrivilege,
        privilege_at(at),
        format!(
            "`{}` covers exactly what `{}` covers, and whoever has one of them is let in",
            privilege.form.name,
            name(reading, first)
        ),
        "keep one, and put that one into the roles of both",
    ))
}

fn shadowed(reading: &Reading<'_>, at: usize, wider: usize) -> Option<Finding> {
    let privilege = reading.privileges.get(at)?;
    Some(Finding::new(
        Code::ShadowedPrivilege,
        privilege_at(at),
        format!(
            "`{}` changes nothing: `{}` covers all of it, and whoever has the one has the other",
            privilege.form.name,
            name(reading, wider)
        ),
        "delete it, or narrow the wider privilege",
    ))
}

fn unassigned(reading: &Reading<'_>, at: usize, privilege: &PrivilegeView<'_>) -> Finding {
    let name = &privilege.form.name;
    match reading.default_access {
        Access::Deny => Finding::new(
            Code::UnassignedPrivilege,
            privilege_at(at),
            format!("nobody has `{name}`, so it lets nobody in"),
            "assign a role that holds it to an identity, or delete it",
        ),
        Access::Allow => Finding::new(
            Code::BlocksEverybody,
            privilege_at(at),
            format!(
                "nobody has `{name}`, so what it covers is refused to everybody without another \
                 privilege, although the default is Allow"
            ),
            "assign a role that holds it to those who need it, if it is not to block on purpose",
        ),
    }
}
