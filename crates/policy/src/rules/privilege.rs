//! One privilege in canonical form, and which requests it covers.
//!
//! A path covers itself and what lies below it, segment by segment: `/a` covers `/a/b`
//! and not `/ab`. No path covers the asterisk form.

use std::sync::Arc;

use latchkey_protocol::target::CanonicalTarget;
use serde::Serialize;

/// How far below its path a privilege reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PathMatch {
    /// The path alone.
    Exact,
    /// The path and everything below it.
    Segments,
}

impl PathMatch {
    /// Reads `segments` or `exact`, the exact words.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "exact" => Some(Self::Exact),
            "segments" => Some(Self::Segments),
            _ => None,
        }
    }
}

/// Which requests are covered. Privileges of one reach cover the same requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reach {
    pub(crate) path: String,
    pub(crate) path_match: PathMatch,
    /// The document's path ends in a slash: the bare path itself is not covered.
    pub(crate) demands_slash: bool,
    /// The methods that are covered, sorted; all without.
    pub(crate) methods: Option<Vec<String>>,
    /// Parameters with the values they must have, sorted by name; names are unique.
    pub(crate) constraints: Vec<(String, String)>,
}

impl Reach {
    /// Returns whether a request is covered.
    pub(crate) fn covers(&self, target: &CanonicalTarget, method: &str) -> bool {
        self.holds_path(target.path()) && self.covers_at_prefix(target, method)
    }

    /// Returns whether a request is covered whose path is this one's or below it.
    pub(super) fn covers_at_prefix(&self, target: &CanonicalTarget, method: &str) -> bool {
        let is_path_itself = self.path.len() == target.path().len();
        let reaches = if is_path_itself {
            !self.demands_slash || target.has_trailing_slash()
        } else {
            self.path_match == PathMatch::Segments
        };
        reaches && self.covers_method(method) && self.holds_parameters(target)
    }

    fn holds_path(&self, path: &str) -> bool {
        match self.path.as_str() {
            "/" => path.starts_with('/'),
            own => path
                .strip_prefix(own)
                .is_some_and(|below| below.is_empty() || below.starts_with('/')),
        }
    }

    fn covers_method(&self, method: &str) -> bool {
        let methods = self.methods.as_ref();
        methods.is_none_or(|methods| methods.iter().any(|own| own == method))
    }

    fn holds_parameters(&self, target: &CanonicalTarget) -> bool {
        let mut constraints = self.constraints.iter();
        constraints.all(|(name, value)| target.parameter(name) == Some(value))
    }
}

/// A part of an endpoint, in canonical form.
#[derive(Clone, Debug)]
pub(crate) struct Privilege {
    /// Its place in the document.
    pub(crate) at: usize,
    pub(crate) name: Arc<str>,
    pub(crate) reach: Reach,
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::target::canonical_path;

    use super::*;

    fn covered(path: &str, path_match: PathMatch, targets: &[&str]) -> Vec<bool> {
        let (path, demands_slash) = canonical_path(path).unwrap();
        let reach = Reach {
            path,
            path_match,
            demands_slash,
            methods: None,
            constraints: Vec::new(),
        };
        let covers = |target: &&str| reach.covers(&CanonicalTarget::parse(target).unwrap(), "GET");
        targets.iter().map(covers).collect()
    }

    #[test]
    fn exact_path_covers_nothing_below_it() {
        let targets = ["/a", "/a/", "/a/b", "/ab", "/", "*"];
        let exact = |path| covered(path, PathMatch::Exact, &targets);
        let segments = |path| covered(path, PathMatch::Segments, &targets);
        assert_eq!(exact("/a"), [true, true, false, false, false, false]);
        assert_eq!(exact("/a/"), [false, true, false, false, false, false]);
        assert_eq!(exact("/"), [false, false, false, false, true, false]);
        assert_eq!(segments("/a"), [true, true, true, false, false, false]);
        assert_eq!(segments("/a/"), [false, true, true, false, false, false]);
        assert_eq!(segments("/"), [true, true, true, true, true, false]);
    }

    #[test]
    fn methods_are_compared_byte_for_byte() {
        let reach = Reach {
            path: "/a".to_owned(),
            path_match: PathMatch::Segments,
            demands_slash: false,
            methods: Some(vec!["GET".to_owned(), "PUT".to_owned()]),
            constraints: Vec::new(),
        };
        let target = CanonicalTarget::parse("/a").unwrap();
        for (method, is_covered) in [
            ("GET", true),
            ("PUT", true),
            ("HEAD", false),
            ("get", false),
        ] {
            assert_eq!(reach.covers(&target, method), is_covered, "{method}");
        }
    }
}
