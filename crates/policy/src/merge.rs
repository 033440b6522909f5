//! The union of two profiles: what either grants, or every conflict between them.
//!
//! Entries are told by what they mean: the same under two names becomes one, two meanings under
//! one name are a conflict. Where both profiles deny by default, the union allows exactly what
//! either of them allows; where they allow, what either reserves is reserved.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use latchkey_protocol::authorization::{
    AccessControlRules, AuthorizationItem, Role, RoleAssignment,
};
use serde::Serialize;

use crate::document::InvalidProfile;
use crate::meaning::Meaning;
use crate::rules::Access;

mod list;
mod setting;

use list::{List, union};

/// What wins where the profiles differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prefer {
    /// The first profile.
    First,
    /// The second profile.
    Second,
    /// What lets less through; two entries of which neither does remain a conflict.
    Strict,
}

/// Something that the two profiles say differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// What it is, as in "privilege `token`".
    pub subject: String,
    /// JSON pointers (RFC 6901) to it, in the first item and in the second.
    pub pointers: [String; 2],
    /// What the first says, and what the second says, in words.
    pub contents: [String; 2],
    /// What to do about it.
    pub remedy: &'static str,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = &self.contents;
        write!(
            f,
            "{} is {first} in the first profile and {second} in the second: {}",
            self.subject, self.remedy
        )
    }
}

/// Why two profiles have no union.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// They contradict each other; there is at least one conflict.
    #[error("the profiles contradict each other in {} places", .0.len())]
    Conflicts(Vec<Conflict>),
    /// One of them is invalid.
    #[error(transparent)]
    Invalid(#[from] InvalidProfile),
}

/// Unites two profiles; without a preference every setting that differs and every name with two
/// meanings is a conflict.
///
/// # Errors
/// Every conflict, or every problem of the first profile that is invalid.
pub fn merge(
    first: &AuthorizationItem,
    second: &AuthorizationItem,
    prefer: Option<Prefer>,
) -> Result<AuthorizationItem, MergeError> {
    let meanings = [&Meaning::read(first)?, &Meaning::read(second)?];
    let mut conflicts = Vec::new();
    let settings = setting::merged(meanings, prefer, &mut conflicts);
    let access = settings.default_access;
    let rules = match (&first.rules, &second.rules) {
        (Some(own), Some(others)) => Some(rules(
            [own, others],
            meanings,
            (prefer, access),
            &mut conflicts,
        )),
        (one, other) => one.as_ref().or(other.as_ref()).cloned(),
    };
    if !conflicts.is_empty() {
        return Err(MergeError::Conflicts(conflicts));
    }
    let id = if first.id == second.id {
        first.id.clone()
    } else {
        format!("{}+{}", first.id, second.id)
    };
    Ok(AuthorizationItem {
        default_access: access.as_str().to_owned(),
        mode: settings.mode.as_str().to_owned(),
        id,
        audit_until: settings.audit_until.map(|end| end.to_string()),
        rules,
    })
}

fn rules(
    [first, second]: [&AccessControlRules; 2],
    meanings: [&Meaning; 2],
    (prefer, default_access): (Option<Prefer>, Access),
    conflicts: &mut Vec<Conflict>,
) -> AccessControlRules {
    // Where the default allows, a narrower privilege reserves less: neither of two is stricter.
    let is_open = default_access == Access::Allow;
    let privileges = union(
        [
            listed(first.privileges.as_ref()),
            listed(second.privileges.as_ref()),
        ],
        meanings.map(|meaning| &meaning.privileges),
        prefer.filter(|prefer| !(is_open && *prefer == Prefer::Strict)),
        conflicts,
    );
    let identities = union(
        [
            listed(first.identities.as_ref()),
            listed(second.identities.as_ref()),
        ],
        meanings.map(|meaning| &meaning.identities),
        prefer,
        conflicts,
    );
    let others: Vec<_> = listed(second.roles.as_ref())
        .iter()
        .map(|role| Role {
            name: role.name.clone(),
            privileges: privileges.renamed(&role.privileges),
        })
        .collect();
    let roles = union(
        [listed(first.roles.as_ref()), &others],
        [&names(listed(first.roles.as_ref())), &names(&others)],
        prefer,
        conflicts,
    );
    let mut assignments = listed(first.role_assignments.as_ref()).to_vec();
    for assignment in listed(second.role_assignments.as_ref()) {
        let assignment = RoleAssignment {
            role: roles.new_name(&assignment.role),
            identities: identities.renamed(&assignment.identities),
            ..assignment.clone()
        };
        add(&mut assignments, assignment);
    }
    let List { entries, .. } = roles;
    AccessControlRules {
        privileges: Some(privileges.entries),
        roles: Some(entries),
        identities: Some(identities.entries),
        role_assignments: Some(assignments),
    }
}

fn listed<T>(list: Option<&Vec<T>>) -> &[T] {
    list.map(Vec::as_slice).unwrap_or_default()
}

/// Returns the names of each role's privileges.
fn names(roles: &[Role]) -> BTreeMap<String, BTreeSet<String>> {
    let names = |role: &Role| role.privileges.iter().cloned().collect();
    roles
        .iter()
        .map(|role| (role.name.clone(), names(role)))
        .collect()
}

/// Adds an assignment, to one that says the same of others if there is one.
fn add(assignments: &mut Vec<RoleAssignment>, added: RoleAssignment) {
    let same = assignments.iter_mut().find(|own| {
        (&own.role, &own.mode, &own.comment) == (&added.role, &added.mode, &added.comment)
    });
    let Some(own) = same else {
        assignments.push(added);
        return;
    };
    for identity in added.identities {
        if !own.identities.contains(&identity) {
            own.identities.push(identity);
        }
    }
}

#[cfg(test)]
mod tests;
