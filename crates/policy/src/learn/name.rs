//! Names: short, readable, unique, and the same tomorrow if the same is learned.
//!
//! A name that two things would share gets a part of its content's hash at both, so that neither
//! depends on which came first.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::grant::{GrantKey, What, Who};
use super::parameter::is_choice;
use super::shape::Reach;

/// The longest name without its hash, in bytes.
const MAX_BYTES: usize = 56;

/// How much of a hash makes a name unique, in bytes.
const HASH_BYTES: usize = 4;

/// Returns what names a rule that waits for a decision: it depends on who and what alone, so that it
/// is the same after more was seen.
pub(super) fn id((endpoint, who, what): &GrantKey) -> String {
    digest(&[endpoint.kind().as_str(), &whole_who(who), &whole_what(what)])
}

fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    let digest = hash.finalize();
    hex::encode(digest.get(..HASH_BYTES).unwrap_or_default())
}

fn whole_who(who: &Who) -> String {
    format!("{who:?}")
}

/// Writes what is covered; a method only where it is one of several.
fn whole_what(what: &What) -> String {
    let What {
        path,
        reach,
        constraints,
        rare_method,
    } = what;
    let method = rare_method.map_or(String::new(), |method| format!(", method: {method:?}"));
    format!("What {{ path: {path:?}, reach: {reach:?}, constraints: {constraints:?}{method} }}")
}

/// Names for things of one list.
#[derive(Debug)]
pub(super) struct Names<K>(BTreeMap<K, String>);

impl<K: Ord + Clone> Names<K> {
    fn of<'a>(
        all: impl Iterator<Item = &'a K>,
        short: fn(&K) -> String,
        whole: fn(&K) -> String,
    ) -> Self
    where
        K: 'a,
    {
        let names: BTreeMap<K, String> = all.map(|key| (key.clone(), short(key))).collect();
        let mut shared: BTreeMap<String, usize> = BTreeMap::new();
        for name in names.values() {
            *shared.entry(name.to_ascii_lowercase()).or_default() += 1;
        }
        let unique = names.into_iter().map(|(key, name)| {
            let is_shared = shared.get(&name.to_ascii_lowercase()) != Some(&1);
            let name = if is_shared {
                format!("{name}-{}", digest(&[&whole(&key)]))
            } else {
                name
            };
            (key, name)
        });
        Self(unique.collect())
    }

    pub(super) fn get(&self, key: &K) -> String {
        self.0.get(key).cloned().unwrap_or_default()
    }
}

/// What a privilege covers, with its methods.
pub(super) type Covered = (What, Vec<&'static str>);

/// Names privileges by the end of their path, their values, and methods other than GET and HEAD.
pub(super) fn privileges<'a>(all: impl Iterator<Item = &'a Covered>) -> Names<Covered> {
    fn short((what, methods): &Covered) -> String {
        let mut parts: Vec<&str> = what
            .path
            .rsplit('/')
            .filter(|part| !part.is_empty())
            .take(2)
            .collect();
        parts.reverse();
        if parts.is_empty() {
            parts.push("root");
        }
        let reach = (what.reach == Reach::Below).then_some("below");
        let values = what
            .constraints
            .iter()
            .map(|(name, value)| word(name, value));
        let others = methods
            .iter()
            .filter(|method| !matches!(**method, "GET" | "HEAD"));
        let parts = parts
            .into_iter()
            .chain(reach)
            .chain(values)
            .chain(others.copied());
        slug(parts)
    }
    Names::of(all, short, |(what, methods)| {
        format!("{} {methods:?}", whole_what(what))
    })
}

/// Names identities by their unit, or else by user and program.
pub(super) fn identities<'a>(all: impl Iterator<Item = &'a Who>) -> Names<Who> {
    fn short(who: &Who) -> String {
        let uid = who.uid.map(|uid| format!("uid{uid}"));
        let user = who.user.as_deref().or(uid.as_deref());
        let program = who.script.as_deref().or(who.executable.as_deref());
        let program = program.and_then(|path| path.rsplit('/').next());
        match who.unit.as_deref() {
            Some(unit) => slug(
                unit.strip_suffix(".service")
                    .into_iter()
                    .chain(user.filter(|user| *user != "root")),
            ),
            None => slug(user.into_iter().chain(program)),
        }
    }
    Names::of(all, short, whole_who)
}

/// Returns what a parameter says in a name: a value only of what is known to choose what is asked for, as
/// another one could be a secret.
fn word<'a>(name: &'a str, value: &'a str) -> &'a str {
    if !is_choice(name) {
        return name;
    }
    value.split_once("://").map_or(value, |(_, rest)| rest)
}

/// Joins words by hyphens, in letters, digits, dots and underscores.
fn slug<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut name = String::new();
    for word in words {
        if !name.is_empty() {
            name.push('-');
        }
        for letter in word.chars() {
            let is_plain = letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_');
            match (is_plain, name.ends_with('-')) {
                (true, _) => name.push(letter.to_ascii_lowercase()),
                (false, false) => name.push('-'),
                (false, true) => {}
            }
        }
    }
    let name: String = name.chars().take(MAX_BYTES).collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() {
        "unnamed".to_owned()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(path: &str, constraints: &[(&str, &str)]) -> Covered {
        let constraints = constraints.iter();
        let what = What {
            path: path.into(),
            reach: Reach::Exact,
            constraints: constraints
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            rare_method: None,
        };
        (what, vec!["GET"])
    }

    #[test]
    fn privileges_are_named_by_path_and_values() {
        let token = what(
            "/metadata/identity/oauth2/token",
            &[("resource", "https://vault.azure.net")],
        );
        let root = what("/", &[("comp", "versions")]);
        let other = what("/metadata/instance", &[("passphrase", "tr0ub4dor")]);
        let names = privileges([&token, &root, &other].into_iter());
        assert_eq!(names.get(&other), "metadata-instance-passphrase");
        assert_eq!(names.get(&token), "oauth2-token-vault.azure.net");
        assert_eq!(names.get(&root), "root-versions");
    }

    #[test]
    fn names_that_would_be_shared_are_told_apart_by_content() {
        let (a, b) = (what("/x/a/b", &[]), what("/y/a/b", &[]));
        let names = privileges([&a, &b].into_iter());
        assert_ne!(names.get(&a), names.get(&b));
        let swapped = privileges([&b, &a].into_iter());
        assert_eq!(names.get(&a), swapped.get(&a));
    }
}
