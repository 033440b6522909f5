//! Finds the privileges that could contain a part of an endpoint, without looking at every one.

use std::collections::{HashMap, HashSet};

use super::reading::PrivilegeView;
use super::region::Region;

/// How many candidates are looked at.
///
/// Whoever writes more onto one path is told less, so that a look at any document ends soon.
const MAX_CANDIDATES: usize = 64;

/// The privileges on one path: those without constraints, and the others by one of theirs.
#[derive(Debug, Default)]
struct OnPath {
    unconstrained: Vec<usize>,
    by_constraint: HashMap<(String, String), Vec<usize>>,
}

/// The privileges of a profile by their paths; of those with one region only the first.
#[derive(Debug, Default)]
pub(super) struct Index(HashMap<String, OnPath>);

impl Index {
    pub(super) fn of(privileges: &[PrivilegeView<'_>]) -> Self {
        let mut by_path: HashMap<String, OnPath> = HashMap::new();
        let mut seen = HashSet::new();
        let distinct = privileges.iter().enumerate();
        let distinct = distinct.filter(|(_, privilege)| seen.insert(&privilege.region));
        for (at, privilege) in distinct {
            let Region {
                path, constraints, ..
            } = &privilege.region;
            let on_path = by_path.entry(path.clone()).or_default();
            match constraints.first() {
                Some(first) => on_path
                    .by_constraint
                    .entry(first.clone())
                    .or_default()
                    .push(at),
                None => on_path.unconstrained.push(at),
            }
        }
        Self(by_path)
    }

    /// Returns privileges on the path of a part or above it that ask for no parameter, or for one that
    /// the part has: the nearest first, and not more than a few.
    pub(super) fn candidates<'a>(&'a self, region: &'a Region) -> impl Iterator<Item = usize> + 'a {
        let borders = region.path.rmatch_indices('/');
        let above = borders.filter_map(|(border, _)| region.path.get(..border.max(1)));
        let above = above.filter(|path| *path != region.path);
        let paths = std::iter::once(region.path.as_str()).chain(above);
        let nodes = paths.filter_map(|path| self.0.get(path));
        let found = nodes.flat_map(|on_path| {
            let constraints = region.constraints.iter();
            let constrained = constraints.filter_map(|one| on_path.by_constraint.get(one));
            on_path.unconstrained.iter().chain(constrained.flatten())
        });
        found.copied().take(MAX_CANDIDATES)
    }
}
