//! Local rule files: what a machine's own administrator adds to the rules that the host sends.
//!
//! A file is read more strictly than a profile. It holds only where the host asks for it
//! ([`Contract`]), and never changes the mode.

use std::collections::HashSet;

use latchkey_protocol::authorization::{AccessControlRules, RoleAssignment};
use latchkey_protocol::{Mode, objects_only_both_ways};
use serde::{Deserialize, Serialize};

use crate::document::place::escaped;
use crate::document::{Assumed, Document};

mod contract;
mod merge;

pub use contract::{Contract, MergeError};

/// A local rule file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct LocalRules {
    /// `Allow` or `Deny`, in any letter case: instead of the host's default access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "latchkey_protocol::authorization::schema::optional_access")
    )]
    pub default_access: Option<String>,
    /// Names this content; it is appended to the host's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Rules beside the host's. Lists that are absent are empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<AccessControlRules>,
}

objects_only_both_ways!(LocalRules);

impl LocalRules {
    /// Returns the rules with all four lists, if there are any.
    pub(crate) fn complete_rules(&self) -> Option<AccessControlRules> {
        let rules = self.rules.clone()?;
        if rules == AccessControlRules::default() {
            return Some(rules);
        }
        Some(AccessControlRules {
            privileges: Some(rules.privileges.unwrap_or_default()),
            roles: Some(rules.roles.unwrap_or_default()),
            identities: Some(rules.identities.unwrap_or_default()),
            role_assignments: Some(rules.role_assignments.unwrap_or_default()),
        })
    }
}

impl From<&Document> for LocalRules {
    fn from(document: &Document) -> Self {
        let is_said = |field| !document.assumed.contains(&field);
        let item = &document.item;
        Self {
            default_access: is_said(Assumed::DefaultAccess).then(|| item.default_access.clone()),
            id: is_said(Assumed::Id).then(|| item.id.clone()),
            rules: item.rules.clone(),
        }
    }
}

/// One thing that only a local file must not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalProblem {
    /// A JSON pointer from the root of the file.
    pub(crate) pointer: String,
    /// What is wrong.
    pub(crate) kind: LocalKind,
}

/// What only a local file must not say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocalKind {
    /// The id is given and names nothing.
    #[error("the id is blank: leave it out, or name the content")]
    BlankId,
    /// The value of a parameter is blank.
    #[error("the value is blank: leave the parameter out, or say which value it must have")]
    BlankValue,
    /// An assignment puts its refusals on trial.
    #[error(
        "a local file cannot put refusals on trial: the mode is the host's, so leave it out or write Enforce"
    )]
    LoosenedMode,
    /// A list of references is empty.
    #[error("the list is empty: name at least one, or take the entry out")]
    NoReference,
    /// A list of references names one twice.
    #[error("`{0}` is already in this list: name it once")]
    RepeatedReference(String),
}

/// Returns what a local file says that a profile may and it may not.
pub(crate) fn problems(local: &LocalRules) -> Vec<LocalProblem> {
    let mut problems = Vec::new();
    let mut report = |pointer: String, kind| problems.push(LocalProblem { pointer, kind });
    if local.id.as_ref().is_some_and(|id| id.trim().is_empty()) {
        report("/id".to_owned(), LocalKind::BlankId);
    }
    let rules = local.rules.clone().unwrap_or_default();
    for (at, privilege) in rules.privileges.iter().flatten().enumerate() {
        let parameters = privilege.query_parameters.iter();
        for (name, value) in parameters.flat_map(|parameters| &parameters.0) {
            if value.trim().is_empty() {
                let name = escaped(name);
                let pointer = format!("/rules/privileges/{at}/queryParameters/{name}");
                report(pointer, LocalKind::BlankValue);
            }
        }
    }
    for (at, role) in rules.roles.iter().flatten().enumerate() {
        references(&role.privileges, |place, kind| {
            report(format!("/rules/roles/{at}/privileges{place}"), kind);
        });
    }
    for (at, assignment) in rules.role_assignments.iter().flatten().enumerate() {
        let RoleAssignment {
            identities, mode, ..
        } = assignment;
        let mode = mode.as_deref().and_then(|mode| mode.parse().ok());
        if mode.is_some_and(|mode: Mode| mode != Mode::Enforce) {
            let pointer = format!("/rules/roleAssignments/{at}/mode");
            report(pointer, LocalKind::LoosenedMode);
        }
        references(identities, |place, kind| {
            report(
                format!("/rules/roleAssignments/{at}/identities{place}"),
                kind,
            );
        });
    }
    problems
}

/// Reports what is wrong with a list of names; names that lead nowhere are reported with the rules.
fn references(names: &[String], mut report: impl FnMut(String, LocalKind)) {
    if names.is_empty() {
        report(String::new(), LocalKind::NoReference);
    }
    let mut known = HashSet::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        if !known.insert(name) {
            report(format!("/{at}"), LocalKind::RepeatedReference(name.clone()));
        }
    }
}
