//! The mode that counted for a decision, and where in the profile it comes from.

use std::sync::Arc;

use jiff::Timestamp;
use latchkey_protocol::request::Meaning;
use latchkey_protocol::{Mode, Reason, Request};
use serde::Serialize;

use crate::decide::Decision;
use crate::endpoint::EndpointPolicy;
use crate::rules::{Rule, RuleSet};

/// The mode that counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModeTrace {
    /// The mode.
    pub effective: Mode,
    /// What set it.
    pub source: ModeSource,
    /// The role of the assignment that set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// When the Audit ended that it was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_ended: Option<Timestamp>,
}

/// What set a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ModeSource {
    /// The mode of an assignment.
    Assignment,
    /// Nothing yet: it is the mode in which the rules are waited for.
    Pending,
    /// The mode of the profile.
    Profile,
}

/// A mode as the profile writes it, and the role of the assignment that has it for its own.
type Written<'a> = (Mode, Option<&'a Arc<str>>);

/// Returns the mode that counted, with where it comes from.
pub(super) fn trace(
    decision: &Decision,
    request: &Request,
    policy: &EndpointPolicy,
    now: Timestamp,
) -> ModeTrace {
    let effective = decision.basis().mode();
    let Some(rules) = policy.rules() else {
        return ModeTrace {
            effective,
            source: ModeSource::Pending,
            role: None,
            audit_ended: None,
        };
    };
    let profile = (rules.profile_mode(), None);
    let mut written = candidates(rules, decision, request).into_iter();
    let (mode, role) = written
        .find(|(mode, _)| rules.due(*mode, now) == effective)
        .unwrap_or(profile);
    let has_ended = mode != effective;
    ModeTrace {
        effective,
        source: role.map_or(ModeSource::Profile, |_| ModeSource::Assignment),
        role: role.map(ToString::to_string),
        audit_ended: rules.audit_until().filter(|_| has_ended),
    }
}

/// Returns the modes of which the strictest counts.
fn candidates<'a>(rules: &'a RuleSet, decision: &Decision, request: &Request) -> Vec<Written<'a>> {
    let profile = (rules.profile_mode(), None);
    match (decision.basis().rule(), decision.reason()) {
        (Some(Rule::Withheld { .. }), _) => of_covering(rules, request),
        (None, Some(reason)) if !is_before_all_rules(reason) => {
            let mut all = vec![profile];
            all.extend(match request.meaning() {
                Meaning::Canonical(_) => of_covering(rules, request),
                Meaning::Ambiguous(_) => of_all(rules),
            });
            all
        }
        _ => vec![profile],
    }
}

/// Whatever falls to these is refused in the endpoint's own mode.
const fn is_before_all_rules(reason: Reason) -> bool {
    matches!(reason, Reason::UnknownEndpoint | Reason::RootRequired)
}

fn of_covering<'a>(rules: &'a RuleSet, request: &Request) -> Vec<Written<'a>> {
    let Meaning::Canonical(target) = request.meaning() else {
        return Vec::new();
    };
    let (privileges, ..) = rules.lists();
    let method = request.head().method.as_str();
    let all = privileges.all().iter();
    let covering = all.filter(|privilege| privilege.reach.covers(target, method));
    covering
        .flat_map(|privilege| of_privilege(rules, privilege.at))
        .collect()
}

fn of_all(rules: &RuleSet) -> Vec<Written<'_>> {
    let (privileges, ..) = rules.lists();
    let all = 0..privileges.all().len();
    all.flat_map(|at| of_privilege(rules, at)).collect()
}

/// Returns the modes that a privilege is withheld in.
fn of_privilege(rules: &RuleSet, privilege: usize) -> Vec<Written<'_>> {
    let (_, _, assignments) = rules.lists();
    let written = assignments.of_privilege(privilege);
    let written = written.map(|(role, assignment)| match assignment.mode {
        Some(mode) => (mode, Some(role)),
        None => (rules.profile_mode(), None),
    });
    let written: Vec<_> = written.collect();
    if written.is_empty() {
        vec![(rules.profile_mode(), None)]
    } else {
        written
    }
}
