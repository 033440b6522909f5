//! What part of an endpoint a privilege covers, so that one can be held against another.
//!
//! [`Region::contains`] may miss that one lies in another; it never claims it wrongly.

use std::collections::BTreeSet;

use latchkey_protocol::authorization::Privilege;
use latchkey_protocol::target::{canonical_name, canonical_path, canonical_text};

/// How far a path reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Extent {
    /// The path alone.
    Exact,
    /// The path and everything below it.
    Segments,
}

/// A part of an endpoint, in canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Region {
    pub(super) path: String,
    pub(super) extent: Extent,
    /// The path itself only counts with a slash at its end.
    pub(super) demands_slash: bool,
    /// Parameters with the values they must have, sorted by name.
    pub(super) constraints: Vec<(String, String)>,
    /// All if none are given.
    pub(super) methods: Option<BTreeSet<String>>,
}

impl Region {
    /// Reads a privilege; nothing if it is not valid.
    pub(super) fn of(privilege: &Privilege) -> Option<Self> {
        let (path, demands_slash) = canonical_path(&privilege.path).ok()?;
        let extent = match privilege.path_match.as_deref() {
            Some("exact") => Extent::Exact,
            _ => Extent::Segments,
        };
        let parameters = privilege.query_parameters.iter().flat_map(|all| &all.0);
        let read = parameters
            .map(|(name, value)| Some((canonical_name(name).ok()?, canonical_text(value).ok()?)));
        let mut constraints = read.collect::<Option<Vec<_>>>()?;
        constraints.sort_unstable();
        let methods = privilege.methods.as_ref();
        Some(Self {
            path,
            extent,
            demands_slash,
            constraints,
            methods: methods.map(|methods| methods.iter().cloned().collect()),
        })
    }

    /// Returns the one path with one method, or all, and any parameters.
    pub(super) fn at(path: &str, method: Option<&str>) -> Self {
        Self {
            path: path.to_owned(),
            extent: Extent::Exact,
            demands_slash: false,
            constraints: Vec::new(),
            methods: method.map(|method| BTreeSet::from([method.to_owned()])),
        }
    }

    /// Returns a path with a slash at its end, with one method.
    pub(super) fn with_slash(path: &str, method: &str) -> Self {
        Self {
            demands_slash: true,
            ..Self::at(path, Some(method))
        }
    }

    /// Returns this part narrowed by parameters, which are given sorted.
    pub(super) fn with(mut self, constraints: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.constraints = constraints.iter().map(owned).collect();
        self
    }

    /// Returns whether everything in the other part is in this one.
    pub(super) fn contains(&self, other: &Self) -> bool {
        self.reaches(other)
            && self
                .constraints
                .iter()
                .all(|constraint| other.constraints.contains(constraint))
            && match (&self.methods, &other.methods) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(own), Some(others)) => others.is_subset(own),
            }
    }

    fn reaches(&self, other: &Self) -> bool {
        let reaches_below = self.extent == Extent::Segments;
        if self.path == other.path {
            return (reaches_below || other.extent == Extent::Exact)
                && (other.demands_slash || !self.demands_slash);
        }
        reaches_below && lies_below(&other.path, &self.path)
    }
}

/// Returns whether a canonical path lies below another.
pub(super) fn lies_below(path: &str, above: &str) -> bool {
    if above == "/" {
        return path != "/";
    }
    path.strip_prefix(above)
        .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::authorization::QueryParameters;

    use super::*;

    fn region(path: &str, exact: Option<&str>, methods: &[&str], parameters: &[&str]) -> Region {
        let named = |name: &&str| ((*name).to_owned(), "v".to_owned());
        let privilege = Privilege {
            path: path.to_owned(),
            path_match: exact.map(str::to_owned),
            methods: (!methods.is_empty())
                .then(|| methods.iter().map(|method| (*method).to_owned()).collect()),
            query_parameters: Some(QueryParameters(parameters.iter().map(named).collect())),
            ..Privilege::default()
        };
        Region::of(&privilege).unwrap()
    }

    #[test]
    fn wider_part_contains_narrower_one_and_not_the_reverse() {
        let exact = Some("exact");
        for (wide, narrow) in [
            (region("/", None, &[], &[]), region("/A", None, &[], &[])),
            (region("/a", None, &[], &[]), region("/a/b", None, &[], &[])),
            (region("/a", None, &[], &[]), region("/a/", None, &[], &[])),
            (region("/a", None, &[], &[]), region("/a", exact, &[], &[])),
            (
                region("/a", exact, &[], &[]),
                region("/a/", exact, &[], &[]),
            ),
            (
                region("/a/", None, &[], &[]),
                region("/a/", exact, &[], &[]),
            ),
            (
                region("/a/", None, &[], &[]),
                region("/a/b", None, &[], &[]),
            ),
            (
                region("/a", None, &[], &["x"]),
                region("/a", None, &[], &["y", "X"]),
            ),
            (
                region("/a", None, &[], &[]),
                region("/a", None, &["GET"], &[]),
            ),
            (
                region("/a", None, &["GET", "PUT"], &[]),
                region("/a", None, &["PUT"], &[]),
            ),
        ] {
            assert!(wide.contains(&narrow), "{wide:?} {narrow:?}");
            assert!(!narrow.contains(&wide), "{narrow:?} {wide:?}");
        }
    }

    #[test]
    fn neighbours_do_not_contain_each_other() {
        let exact = Some("exact");
        for (one, other) in [
            (region("/a", None, &[], &[]), region("/ab", None, &[], &[])),
            (
                region("/a", exact, &[], &[]),
                region("/a/b", None, &[], &[]),
            ),
            (
                region("/a", None, &[], &["x"]),
                region("/a", None, &[], &["y"]),
            ),
            (
                region("/a", None, &["GET"], &[]),
                region("/a", None, &["PUT"], &[]),
            ),
        ] {
            assert!(!one.contains(&other), "{one:?} {other:?}");
            assert!(!other.contains(&one), "{other:?} {one:?}");
        }
    }
}
