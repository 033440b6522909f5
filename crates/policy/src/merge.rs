//! The union of two profiles: what either grants, or every conflict between them.
//!
//! Entries are told by what they mean: the same under two names becomes one, two meanings under
//! one name are a conflict. Where both profiles deny by default, the union allows exactly what
//! either of them allows; where they allow, what either reserves is reserved.
//!
//! INVARIANT: with a preference the union lets nothing through that neither profile lets through.
//! It may then grant less than both: what refers to an entry that loses grants nothing in its stead.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use latchkey_protocol::authorization::{AccessControlRules, AuthorizationItem, Role};
use serde::Serialize;

use crate::document::InvalidProfile;
use crate::meaning::Meaning;
use crate::rules::Access;

mod assignment;
mod list;
mod setting;

use list::union;
use setting::Settings;

/// What wins where the profiles differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prefer {
    /// The first profile. What refers to an entry of the second that loses grants nothing in its
    /// stead, and what the second has on trial is not.
    First,
    /// The second profile, likewise.
    Second,
    /// What lets less through, so that nothing is on trial that the mode enforces; two entries of
    /// which neither does remain a conflict.
    Strict,
}

/// One of the two profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    First,
    Second,
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
    let rules = match (&first.rules, &second.rules) {
        (None, None) => None,
        (own, others) => {
            let empty = AccessControlRules::default();
            let lists = [own, others].map(|rules| rules.as_ref().unwrap_or(&empty));
            Some(rules(lists, meanings, (prefer, &settings), &mut conflicts))
        }
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
        default_access: settings.default_access.as_str().to_owned(),
        mode: settings.mode.as_str().to_owned(),
        id,
        audit_until: settings.audit_until.map(|end| end.to_string()),
        rules,
    })
}

fn rules(
    [first, second]: [&AccessControlRules; 2],
    meanings: [&Meaning; 2],
    (prefer, settings): (Option<Prefer>, &Settings),
    conflicts: &mut Vec<Conflict>,
) -> AccessControlRules {
    let is_strict = prefer == Some(Prefer::Strict);
    // Where the default allows, a narrower privilege reserves less, and where some of what is
    // reserved is refused more strictly than the rest, it lets more through: neither of two is
    // stricter then.
    let is_open = settings.default_access == Access::Allow;
    let is_uneven = meanings.iter().any(|meaning| {
        let mut refusals = meaning.refusals();
        refusals.any(|(_, mode)| mode > settings.mode)
    });
    let privileges = union(
        [
            listed(first.privileges.as_ref()),
            listed(second.privileges.as_ref()),
        ],
        meanings.map(|meaning| &meaning.privileges),
        prefer.filter(|_| !(is_strict && (is_open || is_uneven))),
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
    let [own, others] = [(Side::First, first), (Side::Second, second)].map(|(side, rules)| {
        let roles = listed(rules.roles.as_ref()).iter();
        let kept = roles.map(|role| Role {
            name: role.name.clone(),
            privileges: privileges.new_names(side, &role.privileges),
        });
        kept.collect::<Vec<_>>()
    });
    let roles = union(
        [&own, &others],
        [&names(&own), &names(&others)],
        prefer.filter(|_| !(is_strict && is_uneven)),
        conflicts,
    );
    let assignments = assignment::union(
        [first, second].map(|rules| listed(rules.role_assignments.as_ref())),
        (&roles, &identities),
        (prefer, settings.mode),
    );
    AccessControlRules {
        privileges: Some(privileges.entries),
        roles: Some(roles.entries),
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

#[cfg(test)]
mod tests;
