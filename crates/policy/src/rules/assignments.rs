//! Which identity holds which role, and how strictly its privileges are withheld from everybody else.
//!
//! Roles stay between privileges and identities: one role of a thousand privileges that a thousand
//! identities hold takes two thousand entries, not a million.

use std::sync::Arc;

use latchkey_protocol::Mode;

/// A set of privileges.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) name: Arc<str>,
    /// Places of privileges in the document; may repeat.
    pub(crate) privileges: Vec<usize>,
}

/// Gives a role to identities.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    /// The place of the role in the document.
    pub(crate) role: usize,
    /// Places of identities in the document; may repeat.
    pub(crate) identities: Vec<usize>,
    /// Its own mode, if it has one.
    pub(crate) mode: Option<Mode>,
}

/// The roles and assignments of a profile.
#[derive(Debug, Default)]
pub(crate) struct Assignments {
    roles: Vec<Role>,
    all: Vec<Assignment>,
    /// By identity: the roles that it holds, sorted, each once.
    held: Vec<Vec<usize>>,
}

impl Assignments {
    pub(crate) fn build(roles: Vec<Role>, all: Vec<Assignment>, identities: usize) -> Self {
        let mut held = vec![Vec::new(); identities];
        for assignment in &all {
            for identity in &assignment.identities {
                if let Some(held) = held.get_mut(*identity) {
                    held.push(assignment.role);
                }
            }
        }
        for held in &mut held {
            held.sort_unstable();
            held.dedup();
        }
        Self { roles, all, held }
    }

    /// Returns the roles that an identity holds, sorted.
    pub(crate) fn held_by(&self, identity: usize) -> &[usize] {
        self.held.get(identity).map_or(&[], Vec::as_slice)
    }

    /// Returns the roles that give each privilege, sorted, each once.
    pub(crate) fn giving(&self, privileges: usize) -> Vec<Vec<usize>> {
        let mut giving = vec![Vec::new(); privileges];
        for (at, role) in self.roles.iter().enumerate() {
            for privilege in &role.privileges {
                let Some(giving) = giving.get_mut(*privilege) else {
                    continue;
                };
                if giving.last() != Some(&at) {
                    giving.push(at);
                }
            }
        }
        giving
    }

    /// Returns, by role, the strictest mode of its assignments; nothing for a role without any.
    pub(crate) fn modes(&self, profile: Mode) -> Vec<Option<Mode>> {
        let mut modes = vec![None; self.roles.len()];
        for assignment in &self.all {
            if let Some(mode) = modes.get_mut(assignment.role) {
                *mode = (*mode).max(Some(assignment.mode.unwrap_or(profile)));
            }
        }
        modes
    }

    /// Returns the assignments that give a privilege, with the names of their roles.
    pub(crate) fn of_privilege(
        &self,
        privilege: usize,
    ) -> impl Iterator<Item = (&Arc<str>, &Assignment)> {
        self.all.iter().filter_map(move |assignment| {
            let role = self.roles.get(assignment.role)?;
            let gives = role.privileges.contains(&privilege);
            gives.then_some((&role.name, assignment))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, privileges: &[usize]) -> Role {
        let privileges = privileges.to_vec();
        Role {
            name: Arc::from(name),
            privileges,
        }
    }

    fn assignment(role: usize, identities: &[usize], mode: Option<Mode>) -> Assignment {
        let identities = identities.to_vec();
        Assignment {
            role,
            identities,
            mode,
        }
    }

    #[test]
    fn assignments_of_one_role_add_up_and_the_strictest_mode_counts() {
        let roles = vec![role("a", &[1, 1, 0]), role("b", &[1]), role("c", &[])];
        let all = vec![
            assignment(1, &[0, 0], Some(Mode::Audit)),
            assignment(0, &[0], Some(Mode::Audit)),
            assignment(0, &[1], None),
        ];
        let assignments = Assignments::build(roles, all, 2);
        assert_eq!(assignments.held_by(0), [0, 1]);
        assert_eq!(assignments.held_by(1), [0]);
        assert_eq!(assignments.giving(2), [vec![0], vec![0, 1]]);
        assert_eq!(
            assignments.modes(Mode::Enforce),
            [Some(Mode::Enforce), Some(Mode::Audit), None]
        );
        let names = assignments
            .of_privilege(1)
            .map(|(name, _)| name.to_string());
        assert_eq!(names.collect::<Vec<_>>(), ["b", "a", "a"]);
    }
}
