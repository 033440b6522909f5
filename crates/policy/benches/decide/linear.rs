//! A straightforward matcher over the same rules: canonical texts, no index, every entry looked at.

use latchkey_protocol::Attributes;
use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::target::{CanonicalTarget, canonical_path, canonical_text};

struct Privilege {
    path: String,
    parameters: Vec<(String, String)>,
    /// Places of the identities that have it.
    holders: Vec<usize>,
}

struct Identity {
    user: Option<String>,
    executable: Option<String>,
}

/// Rules as lists.
pub(crate) struct Linear {
    privileges: Vec<Privilege>,
    identities: Vec<Identity>,
}

impl Linear {
    /// Resolves the names of a profile that uses what [`crate::profile::item`] uses.
    pub(crate) fn new(item: &AuthorizationItem) -> Self {
        let rules = item.rules.clone().unwrap();
        let (roles, assignments) = (rules.roles.unwrap(), rules.role_assignments.unwrap());
        let identities = rules.identities.unwrap();
        // Entry n of each list belongs to entry n of the others.
        let holders = |at: usize| {
            assert!(assignments[at].role == roles[at].name);
            let names = &assignments[at].identities;
            (at..=at).filter(|place| names.contains(&identities[*place].name))
        };
        let privileges = rules.privileges.unwrap().into_iter().enumerate();
        let privileges = privileges.map(|(at, privilege)| Privilege {
            path: canonical_path(&privilege.path).unwrap().0,
            parameters: privilege
                .query_parameters
                .unwrap_or_default()
                .0
                .iter()
                .map(|(name, value)| {
                    (
                        canonical_text(name).unwrap(),
                        canonical_text(value).unwrap(),
                    )
                })
                .collect(),
            holders: holders(at).collect(),
        });
        let identities_read = identities.iter().map(|identity| Identity {
            user: identity.user_name.clone(),
            executable: identity.exe_path.clone(),
        });
        Self {
            privileges: privileges.collect(),
            identities: identities_read.collect(),
        }
    }

    /// Returns whether a covering privilege is the caller's.
    pub(crate) fn allows(&self, target: &CanonicalTarget, caller: &Attributes) -> bool {
        let covering = self.privileges.iter().filter(|own| own.covers(target));
        let mut holders = covering.flat_map(|privilege| &privilege.holders);
        holders.any(|place| self.identities[*place].is(caller))
    }
}

impl Privilege {
    fn covers(&self, target: &CanonicalTarget) -> bool {
        let below = target.path().strip_prefix(self.path.as_str());
        below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
            && self
                .parameters
                .iter()
                .all(|(name, value)| target.parameter(name) == Some(value))
    }
}

impl Identity {
    fn is(&self, caller: &Attributes) -> bool {
        self.user.is_none() | (self.user == caller.user_name)
            && self.executable.is_none() | (self.executable == caller.executable)
    }
}
