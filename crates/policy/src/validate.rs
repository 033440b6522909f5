//! Reads a profile document into a profile whose every name, path and reference holds, or lists all problems.
//!
//! Refuses what the deployed agent silently ignores or widens: unknown words, missing
//! lists, repeated names, dangling references, selectors that select everybody, paths
//! and parameters that no canonical request could match.

use std::collections::HashMap;
use std::sync::Arc;

use latchkey_protocol::authorization::{self, AccessControlRules, AuthorizationItem};
use latchkey_protocol::{AuditEnd, Mode};

use crate::document::{InvalidProfile, ProblemKind, ProfileProblem};
use crate::rules::Access;
use crate::rules::assignments::{Assignment, Role};
use crate::rules::identities::Identity;
use crate::rules::privilege::Privilege;

mod identity;
mod mode;
mod privilege;

/// A profile without problems.
pub(crate) struct Profile {
    pub(crate) mode: Mode,
    pub(crate) audit_until: Option<AuditEnd>,
    pub(crate) default_access: Access,
    pub(crate) privileges: Vec<Privilege>,
    pub(crate) identities: Vec<Identity>,
    pub(crate) roles: Vec<Role>,
    pub(crate) assignments: Vec<Assignment>,
}

/// Reads a document.
pub(crate) fn read(item: &AuthorizationItem) -> Result<Profile, InvalidProfile> {
    let mut reader = Reader::default();
    let default_access = reader.default_access(&item.default_access);
    let mode = reader.mode(&item.mode);
    let audit_until = reader.audit_until(item.audit_until.as_deref());
    let Lists {
        privileges,
        identities,
        roles,
        assignments,
    } = match &item.rules {
        Some(rules) => reader.rules(rules),
        None => Lists::default(),
    };
    match (default_access, mode) {
        (Some(default_access), Some(mode)) if reader.problems.is_empty() => Ok(Profile {
            mode,
            audit_until,
            default_access,
            privileges,
            identities,
            roles,
            assignments,
        }),
        _ => Err(InvalidProfile(reader.problems)),
    }
}

/// The four lists of the rules.
#[derive(Default)]
struct Lists {
    privileges: Vec<Privilege>,
    identities: Vec<Identity>,
    roles: Vec<Role>,
    assignments: Vec<Assignment>,
}

/// Where each name of a list stands.
type Names<'a> = HashMap<&'a str, usize>;

#[derive(Default)]
struct Reader {
    problems: Vec<ProfileProblem>,
}

impl Reader {
    fn report(&mut self, pointer: impl Into<String>, kind: ProblemKind) {
        self.problems.push(ProfileProblem {
            pointer: pointer.into(),
            kind,
        });
    }

    fn default_access(&mut self, text: &str) -> Option<Access> {
        let access = Access::parse(text);
        if access.is_none() {
            self.report(
                "/defaultAccess",
                ProblemKind::UnknownAccess(text.to_owned()),
            );
        }
        access
    }

    /// All four lists, or none: hosts send `"rules": {}` for a profile without rules.
    fn rules(&mut self, rules: &AccessControlRules) -> Lists {
        match (
            &rules.privileges,
            &rules.roles,
            &rules.identities,
            &rules.role_assignments,
        ) {
            (None, None, None, None) => Lists::default(),
            (Some(privileges), Some(roles), Some(identities), Some(assignments)) => {
                self.lists(privileges, roles, identities, assignments)
            }
            (privileges, roles, identities, assignments) => {
                for (list, is_missing) in [
                    ("privileges", privileges.is_none()),
                    ("roles", roles.is_none()),
                    ("identities", identities.is_none()),
                    ("roleAssignments", assignments.is_none()),
                ] {
                    if is_missing {
                        self.report(format!("/rules/{list}"), ProblemKind::MissingList);
                    }
                }
                Lists::default()
            }
        }
    }

    fn lists(
        &mut self,
        privileges: &[authorization::Privilege],
        roles: &[authorization::Role],
        identities: &[authorization::Identity],
        assignments: &[authorization::RoleAssignment],
    ) -> Lists {
        let privilege_names = self.names(
            "privileges",
            privileges.iter().map(|entry| entry.name.as_str()),
        );
        let read_privileges = privileges
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| self.privilege(at, entry))
            .collect();
        let role_names = self.names("roles", roles.iter().map(|entry| entry.name.as_str()));
        let read_roles = roles
            .iter()
            .enumerate()
            .map(|(at, entry)| self.role(at, entry, &privilege_names))
            .collect();
        let identity_names = self.names(
            "identities",
            identities.iter().map(|entry| entry.name.as_str()),
        );
        let read_identities = identities
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| self.identity(at, entry))
            .collect();
        let read_assignments = assignments
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| self.assignment(at, entry, &role_names, &identity_names))
            .collect();
        // Entries with problems drop out of these lists and shift the indexes; then the document
        // is refused, and nobody looks at them.
        Lists {
            privileges: read_privileges,
            identities: read_identities,
            roles: read_roles,
            assignments: read_assignments,
        }
    }

    /// Indexes the names of one list.
    fn names<'a>(&mut self, list: &str, names: impl Iterator<Item = &'a str>) -> Names<'a> {
        let mut index = Names::new();
        for (at, name) in names.enumerate() {
            let pointer = || format!("/rules/{list}/{at}/name");
            if name.trim().is_empty() {
                self.report(pointer(), ProblemKind::BlankName);
            } else if let Some(&first) = index.get(name) {
                self.report(
                    pointer(),
                    ProblemKind::DuplicateName {
                        name: name.to_owned(),
                        first,
                    },
                );
            } else {
                index.insert(name, at);
            }
        }
        index
    }

    /// Reads a role. Without privileges it grants nothing.
    fn role(&mut self, at: usize, entry: &authorization::Role, privileges: &Names<'_>) -> Role {
        let pointer = format!("/rules/roles/{at}/privileges");
        let unknown = ProblemKind::UnknownPrivilege;
        Role {
            name: Arc::from(entry.name.as_str()),
            privileges: self.references(&pointer, &entry.privileges, privileges, unknown),
        }
    }

    /// Reads an assignment. Assignments of one role add up.
    fn assignment(
        &mut self,
        at: usize,
        entry: &authorization::RoleAssignment,
        roles: &Names<'_>,
        identities: &Names<'_>,
    ) -> Option<Assignment> {
        let pointer = format!("/rules/roleAssignments/{at}");
        let role = roles.get(entry.role.as_str()).copied();
        if role.is_none() {
            let unknown = ProblemKind::UnknownRole(entry.role.clone());
            self.report(format!("{pointer}/role"), unknown);
        }
        let list = format!("{pointer}/identities");
        let unknown = ProblemKind::UnknownIdentity;
        let identities = self.references(&list, &entry.identities, identities, unknown);
        let mode = self.assignment_mode(&pointer, entry.mode.as_deref());
        Some(Assignment {
            role: role?,
            identities,
            mode,
        })
    }

    fn references(
        &mut self,
        pointer: &str,
        references: &[String],
        names: &Names<'_>,
        unknown: fn(String) -> ProblemKind,
    ) -> Vec<usize> {
        let mut found = Vec::with_capacity(references.len());
        for (at, name) in references.iter().enumerate() {
            match names.get(name.as_str()) {
                Some(index) => found.push(*index),
                None => self.report(format!("{pointer}/{at}"), unknown(name.clone())),
            }
        }
        found
    }
}

#[cfg(test)]
mod tests;
