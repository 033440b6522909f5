//! Reads a profile document into a profile whose every name, path and reference holds, or lists all problems.
//!
//! Refuses what the deployed agent silently ignores or widens: unknown words, missing
//! lists, repeated names, dangling references, selectors that select everybody, paths
//! and parameters that no canonical request could match.

use std::collections::HashMap;

use latchkey_protocol::Mode;
use latchkey_protocol::authorization::{self, AccessControlRules, AuthorizationItem};

use crate::document::{InvalidProfile, ProblemKind, ProfileProblem};
use crate::rules::Access;
use crate::rules::identities::Identity;
use crate::rules::privileges::Privilege;

mod identity;
mod privilege;

/// A profile without problems.
pub(crate) struct Profile {
    pub(crate) mode: Mode,
    pub(crate) default_access: Access,
    pub(crate) privileges: Vec<Privilege>,
    pub(crate) identities: Vec<Identity>,
    /// Pairs of a privilege's and an identity's index; a pair may repeat.
    pub(crate) grants: Vec<(usize, usize)>,
}

/// Reads a document.
pub(crate) fn read(item: &AuthorizationItem) -> Result<Profile, InvalidProfile> {
    let mut reader = Reader::default();
    let default_access = reader.default_access(&item.default_access);
    let mode = reader.mode(&item.mode);
    let (privileges, identities, grants) = match &item.rules {
        Some(rules) => reader.rules(rules),
        None => Default::default(),
    };
    match (default_access, mode) {
        (Some(default_access), Some(mode)) if reader.problems.is_empty() => Ok(Profile {
            mode,
            default_access,
            privileges,
            identities,
            grants,
        }),
        _ => Err(InvalidProfile(reader.problems)),
    }
}

/// The privileges, the identities and which privilege is granted to which identity.
type Parts = (Vec<Privilege>, Vec<Identity>, Vec<(usize, usize)>);

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

    fn mode(&mut self, text: &str) -> Option<Mode> {
        text.parse()
            .map_err(|error| self.report("/mode", ProblemKind::UnknownMode(error)))
            .ok()
    }

    /// All four lists, or none: hosts send `"rules": {}` for a profile without rules.
    fn rules(&mut self, rules: &AccessControlRules) -> Parts {
        match (
            &rules.privileges,
            &rules.roles,
            &rules.identities,
            &rules.role_assignments,
        ) {
            (None, None, None, None) => Parts::default(),
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
                Parts::default()
            }
        }
    }

    fn lists(
        &mut self,
        privileges: &[authorization::Privilege],
        roles: &[authorization::Role],
        identities: &[authorization::Identity],
        assignments: &[authorization::RoleAssignment],
    ) -> Parts {
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
        let role_privileges: Vec<_> = roles
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
        // Entries with problems drop out of the lists above and shift the indexes; then
        // the document is refused, and nobody looks at the grants.
        let mut grants = Vec::new();
        for (at, entry) in assignments.iter().enumerate() {
            let (role, holders) = self.assignment(at, entry, &role_names, &identity_names);
            let granted = role
                .and_then(|role| role_privileges.get(role))
                .into_iter()
                .flatten();
            for privilege in granted {
                grants.extend(holders.iter().map(|holder| (*privilege, *holder)));
            }
        }
        (read_privileges, read_identities, grants)
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

    /// Returns the indexes of a role's privileges. Without any, the role grants nothing.
    fn role(
        &mut self,
        at: usize,
        entry: &authorization::Role,
        privileges: &Names<'_>,
    ) -> Vec<usize> {
        let pointer = format!("/rules/roles/{at}/privileges");
        self.references(
            &pointer,
            &entry.privileges,
            privileges,
            ProblemKind::UnknownPrivilege,
        )
    }

    /// Returns the index of the role and of those who hold it. Assignments of one role add up.
    fn assignment(
        &mut self,
        at: usize,
        entry: &authorization::RoleAssignment,
        roles: &Names<'_>,
        identities: &Names<'_>,
    ) -> (Option<usize>, Vec<usize>) {
        let role = roles.get(entry.role.as_str()).copied();
        if role.is_none() {
            let pointer = format!("/rules/roleAssignments/{at}/role");
            self.report(pointer, ProblemKind::UnknownRole(entry.role.clone()));
        }
        let pointer = format!("/rules/roleAssignments/{at}/identities");
        (
            role,
            self.references(
                &pointer,
                &entry.identities,
                identities,
                ProblemKind::UnknownIdentity,
            ),
        )
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
