//! Which privileges cover a request, who has them, and what keeps the caller from being one of these.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use latchkey_protocol::request::Meaning;
use latchkey_protocol::{Attributes, Caller, Mode, Request};
use serde::Serialize;

use crate::rules::RuleSet;
use crate::rules::assignments::Assignment;
use crate::rules::identities::{Identity, Obstacle};
use crate::rules::privilege::{PathMatch, Privilege};

/// A privilege that covers the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrivilegeTrace {
    /// Its name.
    pub name: String,
    /// Its path in canonical form; with a slash at the end if the bare path is not covered.
    pub path: String,
    /// How far below its path it reaches.
    pub path_match: PathMatch,
    /// The methods that it covers; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// The parameters that it demands, with their values, in canonical form.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub query_parameters: BTreeMap<String, String>,
    /// The mode in which whoever has it not is refused.
    pub mode: Mode,
    /// Whether the caller has it.
    pub granted: bool,
    /// The identities that have it, in the order of the assignments.
    pub identities: Vec<IdentityTrace>,
}

/// An identity that has a privilege.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityTrace {
    /// Its name.
    pub name: String,
    /// The role that it holds.
    pub role: String,
    /// What keeps the caller from being of it; absent when nothing does.
    pub failed: Option<FailedSelector>,
}

/// The first selector of an identity that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedSelector {
    /// The field of the document.
    pub selector: &'static str,
    /// What the caller must be, one of these; for `forbid`, what it must not be.
    pub wanted: Vec<String>,
    /// What the caller is, nothing if that is not known; for `forbid`, `set` or `unknown`.
    pub actual: Vec<String>,
}

/// Returns the privileges that cover a request, the longest path first.
pub(super) fn covering(
    rules: &RuleSet,
    request: &Request,
    caller: &Caller,
    now: Timestamp,
) -> Vec<PrivilegeTrace> {
    let Meaning::Canonical(target) = request.meaning() else {
        return Vec::new();
    };
    let (privileges, ..) = rules.lists();
    let method = request.head().method.as_str();
    let all = privileges.all().iter();
    let covering = all.filter(|privilege| privilege.reach.covers(target, method));
    let mut covering: Vec<_> = covering.collect();
    covering.sort_by_key(|privilege| std::cmp::Reverse(privilege.reach.path.len()));
    let attributes = caller.attributes.as_ref().ok();
    let covering = covering.into_iter();
    covering
        .map(|privilege| trace(rules, privilege, attributes, now))
        .collect()
}

fn trace(
    rules: &RuleSet,
    privilege: &Privilege,
    caller: Option<&Attributes>,
    now: Timestamp,
) -> PrivilegeTrace {
    let (_, _, assignments) = rules.lists();
    let modes = assignments
        .of_privilege(privilege.at)
        .map(|(_, assignment)| rules.due(assignment.mode.unwrap_or(rules.profile_mode()), now));
    let mode = modes.max().unwrap_or(rules.mode(now));
    let identities = caller.map_or_else(Vec::new, |caller| tried(rules, privilege, caller));
    let reach = &privilege.reach;
    let slash = if reach.demands_slash { "/" } else { "" };
    PrivilegeTrace {
        name: privilege.name.to_string(),
        path: format!("{}{slash}", reach.path),
        path_match: reach.path_match,
        methods: reach.methods.clone(),
        query_parameters: reach.constraints.iter().cloned().collect(),
        mode,
        granted: identities.iter().any(|identity| identity.failed.is_none()),
        identities,
    }
}

/// Holds the caller against every identity that has a privilege, each once.
fn tried(rules: &RuleSet, privilege: &Privilege, caller: &Attributes) -> Vec<IdentityTrace> {
    let (_, identities, assignments) = rules.lists();
    let mut seen = HashSet::new();
    let mut tried = Vec::new();
    for (role, assignment) in assignments.of_privilege(privilege.at) {
        let Assignment {
            identities: places, ..
        } = assignment;
        let fresh = places.iter().filter(|place| seen.insert(**place));
        let found = fresh.filter_map(|place| identities.get(*place));
        tried.extend(found.map(|identity| IdentityTrace {
            name: identity.name.to_string(),
            role: role.to_string(),
            failed: failed(identity, caller),
        }));
    }
    tried
}

fn failed(identity: &Identity, caller: &Attributes) -> Option<FailedSelector> {
    Some(match identity.obstacle(caller)? {
        Obstacle::Selector(selector) => {
            let mut actual = Vec::new();
            selector
                .kind
                .each_of(caller, |text| actual.push(text.to_owned()));
            FailedSelector {
                selector: selector.kind.as_str(),
                wanted: selector.any_of.clone(),
                actual,
            }
        }
        Obstacle::Flag(flag) => {
            let is_set = caller.flags.set().any(|set| set == flag);
            let actual = if is_set { "set" } else { "unknown" };
            FailedSelector {
                selector: "forbid",
                wanted: vec![flag.as_str().to_owned()],
                actual: vec![actual.to_owned()],
            }
        }
    })
}
