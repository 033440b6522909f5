//! Finds the privileges that cover a request by its path and parameters, without looking at every one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use latchkey_protocol::Mode;
use latchkey_protocol::target::CanonicalTarget;

use super::assignments::Assignments;
use super::privilege::{Privilege, Reach};
use super::table::Table;

/// All privileges of one reach, and whom they are granted to.
#[derive(Debug)]
pub(crate) struct Condition {
    /// The first of them.
    first: Arc<Privilege>,
    /// Roles, sorted, each with the first of these privileges that it gives.
    granted: Vec<(usize, Arc<Privilege>)>,
    /// The mode in which whoever has none of them is refused.
    mode: Mode,
}

impl Condition {
    /// Returns the name of the first of these privileges.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.first.name
    }

    /// Returns the mode in which whoever has none of these privileges is refused.
    pub(crate) const fn mode(&self) -> Mode {
        self.mode
    }

    /// Returns the first of these privileges that one of the roles gives; `roles` are sorted.
    pub(crate) fn given_by(&self, roles: &[usize]) -> Option<&Arc<Privilege>> {
        let first = |privilege: &&Arc<Privilege>| privilege.at;
        if roles.len() < self.granted.len() {
            let given = roles.iter().filter_map(|role| self.of_role(*role));
            return given.min_by_key(first);
        }
        let granted = self.granted.iter();
        let given = granted.filter(|(role, _)| roles.binary_search(role).is_ok());
        given.map(|(_, privilege)| privilege).min_by_key(first)
    }

    fn of_role(&self, role: usize) -> Option<&Arc<Privilege>> {
        let granted = &self.granted;
        let place = granted
            .binary_search_by_key(&role, |(role, _)| *role)
            .ok()?;
        granted.get(place).map(|(_, privilege)| privilege)
    }
}

/// The conditions on one path. Those with constraints are filed once, under the
/// parameter and value that the fewest of them share.
#[derive(Debug, Default)]
struct Node {
    unconstrained: Vec<Condition>,
    by_parameter: Table<String, Table<String, Vec<Condition>>>,
}

impl Node {
    fn build(conditions: Vec<Condition>) -> Self {
        let mut shared: HashMap<(String, String), usize> = HashMap::new();
        for constraint in conditions
            .iter()
            .flat_map(|condition| &condition.first.reach.constraints)
        {
            *shared.entry(constraint.clone()).or_default() += 1;
        }
        let mut node = Self::default();
        for condition in conditions {
            let constraints = condition.first.reach.constraints.iter();
            match constraints.min_by_key(|pair| shared.get(*pair)).cloned() {
                None => node.unconstrained.push(condition),
                Some((name, value)) => {
                    let values = node.by_parameter.entry(name).or_default();
                    values.entry(value).or_default().push(condition);
                }
            }
        }
        node
    }

    fn candidates<'a>(
        &'a self,
        target: &'a CanonicalTarget,
    ) -> impl Iterator<Item = &'a Condition> {
        let constrained = target
            .parameters()
            .iter()
            .filter_map(|(name, value)| self.by_parameter.get(name)?.get(value))
            .flatten();
        constrained.chain(&self.unconstrained)
    }
}

/// The privileges of a profile.
#[derive(Debug, Default)]
pub(crate) struct Privileges {
    all: Vec<Arc<Privilege>>,
    by_path: Table<String, Node>,
    /// The length of the longest path in bytes: longer prefixes are not looked up.
    longest: usize,
    /// The strictest mode that a privilege is withheld in.
    strictest: Option<Mode>,
    has_audit: bool,
}

impl Privileges {
    /// Indexes the privileges of a profile with this mode.
    pub(crate) fn build(all: Vec<Privilege>, assignments: &Assignments, profile: Mode) -> Self {
        let all: Vec<_> = all.into_iter().map(Arc::new).collect();
        let mut by_path: BTreeMap<&str, Vec<Condition>> = BTreeMap::new();
        for (reach, condition) in merge(&all, assignments, profile) {
            by_path.entry(&reach.path).or_default().push(condition);
        }
        let mut modes = by_path.values().flatten().map(Condition::mode);
        let strictest = modes.clone().max();
        let has_audit = modes.any(|mode| mode == Mode::Audit);
        let longest = by_path.keys().map(|path| path.len()).max().unwrap_or(0);
        let by_path = by_path
            .into_iter()
            .map(|(path, conditions)| (path.to_owned(), Node::build(conditions)))
            .collect();
        Self {
            all,
            by_path,
            longest,
            strictest,
            has_audit,
        }
    }

    /// Returns the privileges in the order of the document.
    pub(crate) fn all(&self) -> &[Arc<Privilege>] {
        &self.all
    }

    /// Returns the strictest mode that a privilege is withheld in.
    pub(crate) const fn strictest(&self) -> Option<Mode> {
        self.strictest
    }

    /// Returns whether a privilege is withheld in Audit.
    pub(crate) const fn has_audit(&self) -> bool {
        self.has_audit
    }

    /// Returns what covers a request, the longest path first.
    pub(crate) fn covering<'a>(
        &'a self,
        target: &'a CanonicalTarget,
        method: &'a str,
    ) -> impl Iterator<Item = &'a Condition> {
        prefixes(target.path())
            .filter(|prefix| prefix.len() <= self.longest)
            .filter_map(|prefix| self.by_path.get(prefix))
            .flat_map(|node| node.candidates(target))
            .filter(move |condition| condition.first.reach.covers_at_prefix(target, method))
    }
}

/// Makes one condition of all privileges of one reach.
fn merge<'a>(
    all: &'a [Arc<Privilege>],
    assignments: &Assignments,
    profile: Mode,
) -> BTreeMap<&'a Reach, Condition> {
    let modes = assignments.modes(profile);
    let mut merged: BTreeMap<&Reach, Condition> = BTreeMap::new();
    for (privilege, roles) in all.iter().zip(assignments.giving(all.len())) {
        let of_roles = roles.iter().filter_map(|role| *modes.get(*role)?);
        let mode = of_roles.max().unwrap_or(profile);
        let condition = merged.entry(&privilege.reach).or_insert_with(|| Condition {
            first: Arc::clone(privilege),
            granted: Vec::new(),
            mode,
        });
        condition.mode = condition.mode.max(mode);
        let granted = roles.into_iter().map(|role| (role, Arc::clone(privilege)));
        condition.granted.extend(granted);
    }
    for condition in merged.values_mut() {
        // Stable: of one role's privileges the first in the document stays first.
        condition.granted.sort_by_key(|(role, _)| *role);
        condition.granted.dedup_by_key(|(role, _)| *role);
    }
    merged
}

/// Returns a canonical path and every path above it: `/a/b`, `/a`, `/`.
fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    let above = path
        .rmatch_indices('/')
        .filter_map(move |(border, _)| match border {
            0 => (path != "/").then_some("/"),
            _ => path.get(..border),
        });
    std::iter::once(path).chain(above)
}

#[cfg(test)]
mod tests;
