//! Finds the identities of a caller without looking at every one.

use std::collections::HashMap;
use std::sync::Arc;

use latchkey_protocol::{Attributes, Flag};

use super::selector::{Kind, Selector};
use super::table::Table;

/// A kind of caller: all selectors hold, of which there is at least one, and no forbidden flag is set.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) name: Arc<str>,
    pub(crate) selectors: Vec<Selector>,
    pub(crate) forbidden: Vec<Flag>,
}

/// What keeps a caller from being of an identity.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Obstacle<'a> {
    /// A selector does not hold.
    Selector(&'a Selector),
    /// A forbidden flag is not known to be clear.
    Flag(Flag),
}

impl Identity {
    /// Returns the first thing that keeps a caller from being of this identity.
    pub(crate) fn obstacle(&self, caller: &Attributes) -> Option<Obstacle<'_>> {
        let mut selectors = self.selectors.iter();
        if let Some(selector) = selectors.find(|selector| !selector.holds(caller)) {
            return Some(Obstacle::Selector(selector));
        }
        // SECURITY: a flag that could not be determined counts as set, or whoever keeps the agent
        // from looking would be free of it.
        let mut forbidden = self.forbidden.iter();
        let set = forbidden.find(|flag| !caller.flags.is_clear(**flag));
        set.map(|flag| Obstacle::Flag(*flag))
    }
}

/// Of how many identities hardly any caller is more; so many fit into the first allocation.
const USUAL_IDENTITIES: usize = 16;

/// The indexes of the identities that are filed under each text of one kind.
type Index = Table<String, Vec<usize>>;

/// How many identities share each text of each kind.
type Shared<'a> = HashMap<(Kind, &'a str), usize>;

/// The identities of a profile. Each is filed once, under the selector that the fewest
/// identities share.
#[derive(Debug, Default)]
pub(crate) struct Identities {
    all: Vec<Identity>,
    filed: Table<Kind, Index>,
    asks_for_digest: bool,
    asks_for_flags: bool,
}

impl Identities {
    pub(crate) fn build(all: Vec<Identity>) -> Self {
        let mut shared = Shared::new();
        for selector in all.iter().flat_map(|identity| &identity.selectors) {
            for text in &selector.any_of {
                *shared.entry((selector.kind, text)).or_default() += 1;
            }
        }
        let mut filed: Table<Kind, Index> = Table::default();
        for (at, identity) in all.iter().enumerate() {
            let Some(rarest) = rarest(identity, &shared) else {
                continue;
            };
            let index = filed.entry(rarest.kind).or_default();
            for text in &rarest.any_of {
                let places = index.entry(text.clone()).or_default();
                // A text that is listed twice is one text.
                if places.last() != Some(&at) {
                    places.push(at);
                }
            }
        }
        let mut selectors = all.iter().flat_map(|identity| &identity.selectors);
        Self {
            asks_for_digest: selectors.any(|selector| selector.kind == Kind::ExecutableDigest),
            asks_for_flags: all.iter().any(|identity| !identity.forbidden.is_empty()),
            all,
            filed,
        }
    }

    /// Returns the indexes of the identities that a caller is of.
    pub(crate) fn matching(&self, caller: &Attributes) -> Vec<usize> {
        let mut found = Vec::with_capacity(USUAL_IDENTITIES);
        for (kind, index) in &self.filed {
            kind.each_of(caller, |text| {
                found.extend(index.get(text).into_iter().flatten().copied());
            });
        }
        found.retain(|at| {
            let identity = self.all.get(*at);
            identity.is_some_and(|identity| identity.obstacle(caller).is_none())
        });
        // In the order of the document, whatever they were found under.
        found.sort_unstable();
        found.dedup();
        found
    }

    pub(crate) const fn asks_for_digest(&self) -> bool {
        self.asks_for_digest
    }

    pub(crate) const fn asks_for_flags(&self) -> bool {
        self.asks_for_flags
    }

    pub(crate) fn get(&self, at: usize) -> Option<&Identity> {
        self.all.get(at)
    }
}

/// Returns the selector whose most shared text the fewest identities share.
fn rarest<'a>(identity: &'a Identity, shared: &Shared<'_>) -> Option<&'a Selector> {
    identity.selectors.iter().min_by_key(|selector| {
        let texts = selector.any_of.iter();
        texts
            .filter_map(|text| shared.get(&(selector.kind, text.as_str())))
            .max()
            .copied()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(at: usize, selectors: &[(Kind, &str)]) -> Identity {
        let selectors = selectors.iter();
        Identity {
            name: Arc::from(format!("i{at}")),
            selectors: selectors
                .map(|(kind, text)| Selector::one(*kind, text))
                .collect(),
            forbidden: Vec::new(),
        }
    }

    fn caller(user: &str, executable: &str) -> Attributes {
        Attributes {
            user_name: Some(user.to_owned()),
            group_names: vec!["g".to_owned()],
            executable: Some(executable.to_owned()),
            ..Attributes::default()
        }
    }

    #[test]
    fn identities_that_share_a_user_are_filed_by_executable() {
        let of_root = |at| {
            let executable = format!("/opt/{at}");
            identity(at, &[(Kind::User, "root"), (Kind::Executable, &executable)])
        };
        let identities = Identities::build((0..1000).map(of_root).collect());
        assert_eq!(
            identities.filed.keys().collect::<Vec<_>>(),
            [&Kind::Executable]
        );
        assert!(
            identities.filed[&Kind::Executable]
                .values()
                .all(|filed| filed.len() == 1)
        );
        assert_eq!(identities.matching(&caller("root", "/opt/7")), [7]);
        assert!(identities.matching(&caller("bob", "/opt/7")).is_empty());
    }

    #[test]
    fn absent_attributes_match_no_selector() {
        let both = [(Kind::User, "root"), (Kind::Executable, "/opt/1")];
        let identities = Identities::build(vec![
            identity(1, &both),
            identity(2, &[(Kind::Process, "curl")]),
        ]);
        assert!(identities.matching(&Attributes::default()).is_empty());
        let without_executable = Attributes {
            executable: None,
            ..caller("root", "")
        };
        assert!(identities.matching(&without_executable).is_empty());
    }

    #[test]
    fn forbidden_flag_holds_only_while_it_is_known_to_be_clear() {
        let untraced = Identity {
            forbidden: vec![Flag::Traced],
            ..identity(0, &[(Kind::User, "root")])
        };
        let identities = Identities::build(vec![untraced]);
        for (is_set, found) in [(Some(false), 1), (Some(true), 0), (None, 0)] {
            let mut root = caller("root", "/opt/1");
            root.flags = root.flags.with(Flag::Traced, is_set);
            assert_eq!(identities.matching(&root).len(), found, "{is_set:?}");
        }
    }

    #[test]
    fn identity_with_several_digests_is_found_once_under_each() {
        let digests = Selector {
            kind: Kind::ExecutableDigest,
            any_of: ["a", "b", "b"].map(str::to_owned).to_vec(),
        };
        let listed = Identity {
            selectors: vec![digests],
            ..identity(0, &[])
        };
        let identities = Identities::build(vec![listed]);
        for (digest, found) in [("a", 1), ("b", 1), ("c", 0)] {
            let caller = Attributes {
                exe_sha256: Some(digest.to_owned()),
                ..Attributes::default()
            };
            assert_eq!(identities.matching(&caller).len(), found, "{digest}");
        }
    }
}
