//! Finds the privileges that cover a request by its path and parameters, without looking at every one.
//!
//! A path covers itself and what lies below it, segment by segment: `/a` covers `/a/b`
//! and not `/ab`. No path covers the asterisk form.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use latchkey_protocol::target::CanonicalTarget;

/// A part of an endpoint, in canonical form.
#[derive(Clone, Debug)]
pub(crate) struct Privilege {
    pub(crate) name: Arc<str>,
    pub(crate) path: String,
    /// The document's path ends in a slash: the bare path itself is not covered.
    pub(crate) is_below_only: bool,
    /// Parameters with the values they must have, sorted by name; names are unique.
    pub(crate) constraints: Vec<(String, String)>,
}

/// All privileges that cover exactly the same requests, and whom they are granted to.
#[derive(Debug)]
pub(crate) struct Condition {
    name: Arc<str>,
    is_below_only: bool,
    constraints: Vec<(String, String)>,
    /// By the identity's index: the name of the privilege that is granted to it.
    granted: HashMap<usize, Arc<str>>,
}

impl Condition {
    /// Returns the name of the first of these privileges.
    pub(crate) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the name of the privilege that the identity has.
    pub(crate) fn granted_to(&self, identity: usize) -> Option<&Arc<str>> {
        self.granted.get(&identity)
    }

    /// Returns whether a request is covered whose path has this condition's path as a prefix.
    fn holds(&self, target: &CanonicalTarget, prefix: &str) -> bool {
        let is_below = prefix.len() < target.path().len() || target.has_trailing_slash();
        (is_below || !self.is_below_only)
            && self
                .constraints
                .iter()
                .all(|(name, value)| target.parameter(name) == Some(value))
    }
}

/// The conditions on one path. Those with constraints are filed once, under the
/// parameter and value that the fewest of them share.
#[derive(Debug, Default)]
struct Node {
    unconstrained: Vec<Condition>,
    by_parameter: HashMap<String, HashMap<String, Vec<Condition>>>,
}

impl Node {
    fn build(conditions: Vec<Condition>) -> Self {
        let mut shared: HashMap<(String, String), usize> = HashMap::new();
        for constraint in conditions
            .iter()
            .flat_map(|condition| &condition.constraints)
        {
            *shared.entry(constraint.clone()).or_default() += 1;
        }
        let mut node = Self::default();
        for condition in conditions {
            match condition
                .constraints
                .iter()
                .min_by_key(|pair| shared.get(*pair))
                .cloned()
            {
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
    by_path: HashMap<String, Node>,
    /// The length of the longest path in bytes: longer prefixes are not looked up.
    longest: usize,
}

impl Privileges {
    /// Indexes `privileges`; `grants` are pairs of a privilege's and an identity's index.
    pub(crate) fn build(privileges: Vec<Privilege>, grants: &[(usize, usize)]) -> Self {
        let mut identities: Vec<Vec<usize>> = vec![Vec::new(); privileges.len()];
        for (privilege, identity) in grants {
            if let Some(holders) = identities.get_mut(*privilege) {
                holders.push(*identity);
            }
        }
        let mut merged: BTreeMap<_, Condition> = BTreeMap::new();
        for (privilege, holders) in privileges.into_iter().zip(identities) {
            let Privilege {
                name,
                path,
                is_below_only,
                constraints,
            } = privilege;
            let condition = merged
                .entry((path, is_below_only, constraints.clone()))
                .or_insert_with(|| Condition {
                    name: Arc::clone(&name),
                    is_below_only,
                    constraints,
                    granted: HashMap::new(),
                });
            for identity in holders {
                condition
                    .granted
                    .entry(identity)
                    .or_insert_with(|| Arc::clone(&name));
            }
        }
        let mut by_path: BTreeMap<String, Vec<Condition>> = BTreeMap::new();
        for ((path, ..), condition) in merged {
            by_path.entry(path).or_default().push(condition);
        }
        let longest = by_path.keys().map(String::len).max().unwrap_or(0);
        let by_path = by_path
            .into_iter()
            .map(|(path, all)| (path, Node::build(all)))
            .collect();
        Self { by_path, longest }
    }

    /// Returns what covers a request, the longest path first.
    pub(crate) fn covering<'a>(
        &'a self,
        target: &'a CanonicalTarget,
    ) -> impl Iterator<Item = &'a Condition> {
        prefixes(target.path())
            .filter(|prefix| prefix.len() <= self.longest)
            .filter_map(|prefix| Some((prefix, self.by_path.get(prefix)?)))
            .flat_map(move |(prefix, node)| {
                node.candidates(target)
                    .filter(move |condition| condition.holds(target, prefix))
            })
    }
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
mod tests {
    use super::*;

    fn names(privileges: &Privileges, target: &str) -> Vec<String> {
        let target = CanonicalTarget::parse(target).unwrap();
        privileges
            .covering(&target)
            .map(|condition| condition.name().to_string())
            .collect()
    }

    fn privilege(name: &str, path: &str, constraints: &[(&str, &str)]) -> Privilege {
        let (path, is_below_only) = latchkey_protocol::target::canonical_path(path).unwrap();
        let constraints = constraints
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Privilege {
            name: Arc::from(name),
            path,
            is_below_only,
            constraints: constraints.collect(),
        }
    }

    #[test]
    fn every_segment_border_is_a_prefix() {
        assert_eq!(prefixes("/a/b").collect::<Vec<_>>(), ["/a/b", "/a", "/"]);
        assert_eq!(prefixes("/").collect::<Vec<_>>(), ["/"]);
        assert_eq!(prefixes("*").collect::<Vec<_>>(), ["*"]);
    }

    #[test]
    fn paths_cover_whole_segments_and_the_longest_comes_first() {
        let all = vec![
            privilege("root", "/", &[]),
            privilege("below", "/a/", &[]),
            privilege("a", "/a", &[]),
            privilege("ab", "/a/b", &[]),
        ];
        let privileges = Privileges::build(all, &[]);
        assert_eq!(names(&privileges, "/a/b/c"), ["ab", "a", "below", "root"]);
        assert_eq!(names(&privileges, "/a"), ["a", "root"]);
        assert_eq!(names(&privileges, "/a/"), ["a", "below", "root"]);
        assert_eq!(names(&privileges, "/ab"), ["root"]);
        assert_eq!(names(&privileges, "/"), ["root"]);
        assert!(names(&privileges, "*").is_empty());
    }

    #[test]
    fn all_constraints_of_a_privilege_must_hold() {
        let all = vec![
            privilege(
                "vault",
                "/t",
                &[("api-version", "1"), ("resource", "vault")],
            ),
            privilege(
                "storage",
                "/t",
                &[("api-version", "1"), ("resource", "storage")],
            ),
        ];
        let privileges = Privileges::build(all, &[]);
        assert_eq!(
            names(&privileges, "/t?resource=vault&x=y&api-version=1"),
            ["vault"]
        );
        assert!(names(&privileges, "/t?resource=vault").is_empty());
        assert!(names(&privileges, "/t?resource=&api-version=1").is_empty());
    }

    #[test]
    fn privileges_that_differ_in_one_value_are_not_candidates_of_each_other() {
        let value = |at: usize| format!("r{at}");
        let all = (0..1000)
            .map(|at| {
                privilege(
                    &value(at),
                    "/t",
                    &[("api-version", "1"), ("resource", &value(at))],
                )
            })
            .collect();
        let privileges = Privileges::build(all, &[]);
        let target = CanonicalTarget::parse("/t?api-version=1&resource=r7").unwrap();
        assert_eq!(privileges.by_path["/t"].candidates(&target).count(), 1);
        assert_eq!(names(&privileges, "/t?api-version=1&resource=r7"), ["r7"]);
    }

    #[test]
    fn equal_conditions_are_one_candidate_that_knows_whose_privilege_it_is() {
        let all = (0..1000)
            .map(|at| privilege(&format!("p{at}"), "/t", &[]))
            .collect();
        let grants: Vec<_> = (0..1000).map(|at| (at, at)).collect();
        let privileges = Privileges::build(all, &grants);
        let target = CanonicalTarget::parse("/t").unwrap();
        let covering: Vec<_> = privileges.covering(&target).collect();
        assert_eq!(covering.len(), 1);
        assert_eq!(covering[0].granted_to(7).unwrap().as_ref(), "p7");
        assert!(covering[0].granted_to(1000).is_none());
    }
}
