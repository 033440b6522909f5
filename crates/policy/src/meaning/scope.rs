//! Which requests a privilege covers, as a set of scopes that can be compared and intersected.
//!
//! A scope names one method or all, and one place relative to its path. Texts are without end, so
//! no number of smaller scopes covers a greater one: a set covers a scope when one of it does.

use std::collections::BTreeSet;

use latchkey_protocol::Reason;
use latchkey_protocol::authorization::Privilege;
use latchkey_protocol::target::{canonical_name, canonical_path, canonical_text};

/// Where a request's path lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// At the path.
    Bare,
    /// At the path, with a slash behind it.
    Slash,
    /// Below the path.
    Below,
}

/// Some requests to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope {
    /// In canonical form.
    pub(crate) path: String,
    /// Parameters with the values they must have, sorted by name; names are unique.
    pub(crate) constraints: Vec<(String, String)>,
    /// The method; nothing stands for every one.
    pub(crate) method: Option<String>,
    pub(crate) place: Place,
}

/// The requests that a privilege covers.
pub(crate) type Scopes = BTreeSet<Scope>;

/// Reads what a privilege of a valid document covers.
pub(crate) fn scopes(privilege: &Privilege) -> Result<Scopes, Reason> {
    let (path, demands_slash) = canonical_path(&privilege.path)?;
    let mut constraints = Vec::new();
    for (name, value) in privilege.query_parameters.iter().flat_map(|all| &all.0) {
        constraints.push((canonical_name(name)?, canonical_text(value)?));
    }
    constraints.sort_unstable();
    let is_exact = privilege.path_match.as_deref() == Some("exact");
    let methods: Vec<Option<&String>> = match &privilege.methods {
        Some(methods) => methods.iter().map(Some).collect(),
        None => vec![None],
    };
    let places = [Place::Bare, Place::Slash, Place::Below].into_iter();
    let places = places.filter(|place| match place {
        Place::Bare => !demands_slash,
        // The root has no slash behind it.
        Place::Slash => path != "/",
        Place::Below => !is_exact,
    });
    let each = |place| {
        let scope = |method: &Option<&String>| Scope {
            path: path.clone(),
            constraints: constraints.clone(),
            method: method.cloned(),
            place,
        };
        methods.iter().map(scope).collect::<Vec<_>>()
    };
    Ok(places.flat_map(each).collect())
}

impl Scope {
    /// Returns whether every request of the other scope is one of this.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.reaches(other)
            && (self.method.is_none() || self.method == other.method)
            && self
                .constraints
                .iter()
                .all(|constraint| other.constraints.contains(constraint))
    }

    fn reaches(&self, other: &Self) -> bool {
        (self.place == other.place && self.path == other.path) || self.holds_below(&other.path)
    }

    fn holds_below(&self, path: &str) -> bool {
        self.place == Place::Below && is_below(path, &self.path)
    }

    /// Returns the requests of both scopes, if there are any.
    pub(crate) fn intersect(&self, other: &Self) -> Option<Self> {
        let nearer = if self.reaches(other) {
            other
        } else if other.reaches(self) {
            self
        } else {
            return None;
        };
        let method = match (&self.method, &other.method) {
            (Some(own), Some(others)) if own != others => return None,
            (own, others) => own.as_ref().or(others.as_ref()),
        };
        let mut constraints = self.constraints.clone();
        for (name, value) in &other.constraints {
            match constraints.iter().find(|(known, _)| known == name) {
                Some((_, known)) if known != value => return None,
                Some(_) => {}
                None => constraints.push((name.clone(), value.clone())),
            }
        }
        constraints.sort_unstable();
        Some(Self {
            path: nearer.path.clone(),
            constraints,
            method: method.cloned(),
            place: nearer.place,
        })
    }
}

fn is_below(path: &str, above: &str) -> bool {
    let prefix = if above == "/" { "" } else { above };
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
}

/// Returns whether a set of scopes covers a scope.
pub(crate) fn any_covers<'a>(set: impl IntoIterator<Item = &'a Scope>, scope: &Scope) -> bool {
    set.into_iter().any(|own| own.covers(scope))
}

/// Returns whether a set of scopes covers all of another.
pub(crate) fn all_covered(by: &Scopes, scopes: &Scopes) -> bool {
    scopes.iter().all(|scope| any_covers(by, scope))
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::authorization::QueryParameters;

    use super::*;

    fn read(path: &str, methods: &[&str], query: &[(&str, &str)]) -> Scopes {
        let own = |text: &&str| (*text).to_owned();
        let pairs = query.iter().map(|(name, value)| (own(name), own(value)));
        let privilege = Privilege {
            path: path.to_owned(),
            methods: (!methods.is_empty()).then(|| methods.iter().map(own).collect()),
            query_parameters: Some(QueryParameters(pairs.collect())),
            ..Privilege::default()
        };
        scopes(&privilege).unwrap()
    }

    #[test]
    fn wider_path_methods_and_parameters_cover() {
        for (wide, narrow) in [
            (read("/", &[], &[]), read("/a", &[], &[])),
            (read("/A", &[], &[]), read("/%61/b", &[], &[])),
            (read("/a", &[], &[]), read("/a/", &[], &[])),
            (read("/a", &[], &[]), read("/a", &["GET"], &[])),
            (read("/a", &["PUT", "GET"], &[]), read("/a", &["GET"], &[])),
            (read("/a", &[], &[]), read("/a", &[], &[("x", "1")])),
        ] {
            assert!(all_covered(&wide, &narrow), "{wide:?} {narrow:?}");
            assert!(!all_covered(&narrow, &wide), "{narrow:?} {wide:?}");
        }
        assert!(!all_covered(&read("/a", &[], &[]), &read("/ab", &[], &[])));
    }

    #[test]
    fn intersection_is_what_both_cover() {
        let below = |scopes: Scopes| {
            let mut scopes = scopes.into_iter();
            scopes.find(|scope| scope.place == Place::Below).unwrap()
        };
        let wide = below(read("/a", &[], &[("x", "1")]));
        let deep = below(read("/a/b", &["GET"], &[("y", "2")]));
        let both = below(read("/a/b", &["GET"], &[("x", "1"), ("y", "2")]));
        assert_eq!(wide.intersect(&deep), Some(both.clone()));
        assert_eq!(deep.intersect(&wide), Some(both));
        let others = [
            read("/b", &[], &[]),
            read("/a/b", &["PUT"], &[]),
            read("/a/b", &[], &[("y", "3")]),
        ];
        for other in others.map(below) {
            assert_eq!(deep.intersect(&other), None, "{other:?}");
        }
    }
}
