//! The rules of one endpoint, compiled: immutable, indexed, shared by all requests that they decide.
//!
//! There is no way to an incomplete rule set: a document with a problem is refused
//! whole. A request costs as much as its path has segments, its query has parameters and
//! its caller has groups; rules about other paths, values and callers cost nothing.

use std::fmt;
use std::sync::Arc;

use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::target::CanonicalTarget;
use latchkey_protocol::{Attributes, Mode, Reason};

use crate::content::content_hash;
use crate::document::InvalidProfile;
use crate::validate::{self, Profile};

pub(crate) mod identities;
pub(crate) mod privileges;
pub(crate) mod selector;

use identities::Identities;
use privileges::{Condition, Privileges};

/// What happens to requests that no privilege covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// They are allowed.
    Allow,
    /// They are refused.
    Deny,
}

impl Access {
    /// Reads `allow` or `deny` in any letter case; blanks around it are not ignored.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [("allow", Self::Allow), ("deny", Self::Deny)]
            .into_iter()
            .find_map(|(word, access)| word.eq_ignore_ascii_case(text).then_some(access))
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        }
    }
}

/// What in a rule set decided about a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// No privilege covers the request: the default access.
    Default,
    /// The privilege is assigned to the identity, and the caller is of this identity.
    Granted {
        /// The privilege's name.
        privilege: Arc<str>,
        /// The identity's name.
        identity: Arc<str>,
    },
    /// The privilege covers the request, and the caller is of no identity that has it.
    Withheld {
        /// The privilege's name.
        privilege: Arc<str>,
    },
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Granted {
                privilege,
                identity,
            } => {
                write!(f, "privilege `{privilege}` for identity `{identity}`")
            }
            Self::Withheld { privilege } => write!(f, "privilege `{privilege}`"),
        }
    }
}

/// The rules of one endpoint.
#[derive(Debug)]
pub struct RuleSet {
    mode: Mode,
    id: Option<String>,
    content_hash: String,
    default_access: Access,
    privileges: Privileges,
    identities: Identities,
}

impl RuleSet {
    /// Compiles a profile.
    ///
    /// # Errors
    /// [`InvalidProfile`] with every problem of the document; the caller keeps the last
    /// good rules in force.
    pub fn compile(item: &AuthorizationItem) -> Result<Self, InvalidProfile> {
        let Profile {
            mode,
            default_access,
            privileges,
            identities,
            grants,
        } = validate::read(item)?;
        Ok(Self {
            mode,
            id: Some(item.id.clone()),
            content_hash: content_hash(item),
            default_access,
            privileges: Privileges::build(privileges, &grants),
            identities: Identities::build(identities),
        })
    }

    /// Returns the rules of an endpoint whose host sends a mode and no rules (status
    /// version 1.0): everything is allowed that the endpoint's root gate lets through.
    #[must_use]
    pub fn default_rules(mode: Mode) -> Self {
        let item = AuthorizationItem {
            default_access: Access::Allow.as_str().to_owned(),
            mode: mode.as_str().to_owned(),
            ..AuthorizationItem::default()
        };
        Self {
            mode,
            id: None,
            content_hash: content_hash(&item),
            default_access: Access::Allow,
            privileges: Privileges::default(),
            identities: Identities::default(),
        }
    }

    /// Returns the mode that the profile sets.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Returns the id that the host gave the profile; none for the default rules.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the [`content_hash`] of the profile.
    #[must_use]
    pub fn content_hash(&self) -> &str {
        &self.content_hash
    }

    /// Returns what happens to requests that no privilege covers.
    #[must_use]
    pub const fn default_access(&self) -> Access {
        self.default_access
    }

    /// Returns whether an identity is selected by the content of its executable.
    #[must_use]
    pub const fn asks_for_digest(&self) -> bool {
        self.identities.asks_for_digest()
    }

    /// Returns whether an identity forbids what may change while a process runs.
    #[must_use]
    pub const fn asks_for_flags(&self) -> bool {
        self.identities.asks_for_flags()
    }

    /// Asks whether a caller may make a request for `target`.
    ///
    /// Any covering privilege that the caller has allows; when privileges cover the
    /// request and the caller has none of them, the default is not asked.
    ///
    /// # Errors
    /// The reason of the refusal and what in the rules it comes from.
    pub(crate) fn allow(
        &self,
        target: &CanonicalTarget,
        caller: &Attributes,
    ) -> Result<Rule, (Reason, Rule)> {
        let mut covering = self.privileges.covering(target).peekable();
        let Some(nearest) = covering
            .peek()
            .map(|condition| Arc::clone(condition.name()))
        else {
            return match self.default_access {
                Access::Allow => Ok(Rule::Default),
                Access::Deny => Err((Reason::NoMatchingRule, Rule::Default)),
            };
        };
        let identities = self.identities.matching(caller);
        covering
            .find_map(|condition| self.grant(condition, &identities))
            .ok_or((
                Reason::CallerNotAssigned,
                Rule::Withheld { privilege: nearest },
            ))
    }

    fn grant(&self, condition: &Condition, identities: &[usize]) -> Option<Rule> {
        identities.iter().find_map(|index| {
            let privilege = Arc::clone(condition.granted_to(*index)?);
            let identity = Arc::clone(self.identities.name(*index)?);
            Some(Rule::Granted {
                privilege,
                identity,
            })
        })
    }
}

#[cfg(test)]
mod tests;
