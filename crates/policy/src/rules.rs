//! The rules of one endpoint, compiled: immutable, indexed, shared by all requests that they decide.
//!
//! There is no way to an incomplete rule set: a document with a problem is refused
//! whole. Audit that has ended is Enforce, wherever a mode is asked for. A request costs as much as its path has segments, its query has parameters and
//! its caller has groups; rules about other paths, values and callers cost nothing.

use std::sync::Arc;

use jiff::Timestamp;
use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::target::CanonicalTarget;
use latchkey_protocol::{Attributes, AuditEnd, Mode, Reason};

use crate::content::content_hash;
use crate::document::InvalidProfile;
use crate::validate::{self, Profile};

pub(crate) mod assignments;
pub(crate) mod identities;
pub(crate) mod privilege;
pub(crate) mod privileges;
mod rule;
pub(crate) mod selector;
pub(crate) mod table;

use assignments::Assignments;
use identities::Identities;
use privileges::{Condition, Privileges};
pub use rule::{Access, Rule};

/// What the rules have against a request.
#[derive(Clone, Debug)]
pub(crate) struct Objection {
    pub(crate) reason: Reason,
    pub(crate) rule: Rule,
    /// The mode that counts for this refusal.
    pub(crate) mode: Mode,
}

/// The rules of one endpoint.
#[derive(Debug)]
pub struct RuleSet {
    mode: Mode,
    audit_until: Option<AuditEnd>,
    id: Option<String>,
    content_hash: String,
    default_access: Access,
    privileges: Privileges,
    identities: Identities,
    assignments: Assignments,
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
            audit_until,
            default_access,
            privileges,
            identities,
            roles,
            assignments,
        } = validate::read(item)?;
        let assignments = Assignments::build(roles, assignments, identities.len());
        Ok(Self {
            mode,
            audit_until,
            id: Some(item.id.clone()),
            content_hash: content_hash(item),
            default_access,
            privileges: Privileges::build(privileges, &assignments, mode),
            identities: Identities::build(identities),
            assignments,
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
            audit_until: None,
            id: None,
            content_hash: content_hash(&item),
            default_access: Access::Allow,
            privileges: Privileges::default(),
            identities: Identities::default(),
            assignments: Assignments::default(),
        }
    }

    /// Returns the mode of the endpoint: the one that the profile sets, or Enforce when its Audit
    /// has ended.
    #[must_use]
    pub fn mode(&self, now: Timestamp) -> Mode {
        self.due(self.mode, now)
    }

    /// Returns the mode as the profile writes it.
    pub(crate) const fn profile_mode(&self) -> Mode {
        self.mode
    }

    /// Returns when Audit ends; nothing when it lasts, or nothing is in Audit.
    #[must_use]
    pub fn audit_until(&self) -> Option<Timestamp> {
        let is_audit = self.mode == Mode::Audit || self.privileges.has_audit();
        let end = self.audit_until.map(AuditEnd::time);
        end.filter(|_| is_audit && self.mode != Mode::Disabled)
    }

    /// Returns what a mode of this profile has become.
    pub(crate) fn due(&self, mode: Mode, now: Timestamp) -> Mode {
        mode.due(self.audit_until, now)
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

    /// Returns the indexes of the identities that a caller is of.
    pub(crate) fn identify(&self, caller: &Attributes) -> Vec<usize> {
        self.identities.matching(caller)
    }

    /// Asks whether a caller may make a request; `identities` are those that it is of, which are
    /// asked for only when a privilege covers the request.
    ///
    /// Any covering privilege that the caller has allows; when privileges cover the
    /// request and the caller has none of them, the default is not asked.
    pub(crate) fn allow<'a>(
        &self,
        target: &CanonicalTarget,
        method: &str,
        identities: impl FnOnce() -> &'a [usize],
        now: Timestamp,
    ) -> Result<Rule, Objection> {
        let mut covering = self.privileges.covering(target, method).peekable();
        let Some(nearest) = covering
            .peek()
            .map(|condition| Arc::clone(condition.name()))
        else {
            return match self.default_access {
                Access::Allow => Ok(Rule::Default),
                Access::Deny => Err(Objection {
                    reason: Reason::NoMatchingRule,
                    rule: Rule::Default,
                    mode: self.mode(now),
                }),
            };
        };
        let identities = identities();
        // The strictest: a privilege on trial loosens none that covers the request as well.
        let mut mode = Mode::Disabled;
        for condition in covering {
            if let Some(rule) = self.grant(condition, identities) {
                return Ok(rule);
            }
            mode = mode.max(self.due(condition.mode(), now));
        }
        let rule = Rule::Withheld { privilege: nearest };
        Err(Objection {
            reason: Reason::CallerNotAssigned,
            rule,
            mode,
        })
    }

    fn grant(&self, condition: &Condition, identities: &[usize]) -> Option<Rule> {
        identities.iter().find_map(|at| {
            let privilege = condition.given_by(self.assignments.held_by(*at))?;
            let identity = self.identities.get(*at)?;
            Some(Rule::Granted {
                privilege: Arc::clone(&privilege.name),
                identity: Arc::clone(&identity.name),
            })
        })
    }

    /// Returns the mode that counts for a request whose caller cannot be described: the strictest
    /// of the endpoint's and of those that the covering privileges are withheld in.
    pub(crate) fn mode_for_strangers(
        &self,
        target: &CanonicalTarget,
        method: &str,
        now: Timestamp,
    ) -> Mode {
        let covering = self.privileges.covering(target, method);
        let modes = covering.map(|condition| self.due(condition.mode(), now));
        modes.fold(self.mode(now), Mode::max)
    }

    /// Returns the strictest of the endpoint's mode and of those that privileges are withheld in:
    /// what counts for a request that could be for any of them.
    pub(crate) fn strictest_mode(&self, now: Timestamp) -> Mode {
        let own = self.mode(now);
        let withheld = self.privileges.strictest();
        withheld.map_or(own, |mode| own.max(self.due(mode, now)))
    }

    /// Returns the three lists for whoever explains a decision.
    pub(crate) const fn lists(&self) -> (&Privileges, &Identities, &Assignments) {
        (&self.privileges, &self.identities, &self.assignments)
    }
}

#[cfg(test)]
mod tests;
