//! What a profile means, free of names, order and spelling: who may ask for what, and how strictly
//! the rest is refused. Two documents that decide alike mean alike.
//!
//! For comparing whole profiles; requests are decided by the compiled rules.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use latchkey_protocol::Mode;
use latchkey_protocol::authorization::{AccessControlRules, AuthorizationItem, RoleAssignment};

use crate::document::InvalidProfile;
use crate::rules::Access;
use crate::validate;

pub(crate) mod content;
pub(crate) mod scope;
pub(crate) mod subject;
pub(crate) mod words;

use scope::{Scopes, any_covers, scopes};
use subject::Subject;

/// The modes that assignments name, by whom they assign to; nothing is the profile's own mode.
pub(crate) type Holders = BTreeMap<Subject, BTreeSet<Option<Mode>>>;

/// What a profile means.
#[derive(Debug)]
pub(crate) struct Meaning {
    pub(crate) mode: Mode,
    pub(crate) default_access: Access,
    pub(crate) audit_until: Option<Timestamp>,
    pub(crate) privileges: BTreeMap<String, Scopes>,
    pub(crate) identities: BTreeMap<String, Subject>,
    /// What the privileges of each role cover.
    pub(crate) roles: BTreeMap<String, Scopes>,
    /// By role: who holds it. Assignments of one role add up.
    pub(crate) assignments: BTreeMap<String, Holders>,
    /// The mode in which each privilege is refused to those who do not have it, by what it covers.
    refusals: BTreeMap<Scopes, Mode>,
}

impl Meaning {
    /// Reads a profile.
    ///
    /// # Errors
    /// [`InvalidProfile`] with every problem of the document.
    pub(crate) fn read(item: &AuthorizationItem) -> Result<Self, InvalidProfile> {
        let profile = validate::read(item)?;
        let identities = profile.identities.iter();
        let mut meaning = Self {
            mode: profile.mode,
            default_access: profile.default_access,
            audit_until: item.audit_until.as_ref().and_then(|text| text.parse().ok()),
            privileges: BTreeMap::new(),
            identities: identities
                .map(|identity| (identity.name.to_string(), Subject::of(identity)))
                .collect(),
            roles: BTreeMap::new(),
            assignments: BTreeMap::new(),
            refusals: BTreeMap::new(),
        };
        if let Some(rules) = &item.rules {
            meaning.read_rules(rules);
        }
        Ok(meaning)
    }

    fn read_rules(&mut self, rules: &AccessControlRules) {
        for privilege in rules.privileges.iter().flatten() {
            // Of a valid document each has a meaning.
            if let Ok(scopes) = scopes(privilege) {
                self.privileges.insert(privilege.name.clone(), scopes);
            }
        }
        for role in rules.roles.iter().flatten() {
            let names = role.privileges.iter();
            let covered = names.filter_map(|name| self.privileges.get(name));
            let covered = covered.flatten().cloned().collect();
            self.roles.insert(role.name.clone(), covered);
        }
        let mut modes: BTreeMap<&str, Mode> = BTreeMap::new();
        for assignment in rules.role_assignments.iter().flatten() {
            let own = assignment.mode.as_ref().and_then(|text| text.parse().ok());
            let mode = modes.entry(&assignment.role).or_insert(Mode::Disabled);
            *mode = (*mode).max(own.unwrap_or(self.mode));
            self.assign(assignment, own);
        }
        for (name, scopes) in &self.privileges {
            let roles = rules.roles.iter().flatten();
            let roles = roles.filter(|role| role.privileges.contains(name));
            let assigned = roles.filter_map(|role| modes.get(role.name.as_str())).max();
            let mode = assigned.copied().unwrap_or(self.mode);
            let strictest = self.refusals.entry(scopes.clone()).or_insert(mode);
            *strictest = (*strictest).max(mode);
        }
    }

    fn assign(&mut self, assignment: &RoleAssignment, mode: Option<Mode>) {
        let holders = self.assignments.entry(assignment.role.clone()).or_default();
        for name in &assignment.identities {
            if let Some(subject) = self.identities.get(name) {
                holders.entry(subject.clone()).or_default().insert(mode);
            }
        }
    }

    /// Returns what each subject is granted.
    pub(crate) fn grants(&self) -> BTreeMap<&Subject, Scopes> {
        let mut grants: BTreeMap<&Subject, Scopes> = BTreeMap::new();
        for (role, holders) in &self.assignments {
            let covered = self.roles.get(role).into_iter().flatten();
            for subject in holders.keys() {
                let granted = grants.entry(subject).or_default();
                granted.extend(covered.clone().cloned());
            }
        }
        grants
    }

    /// Returns whatever a privilege covers.
    pub(crate) fn reserved(&self) -> Scopes {
        self.privileges.values().flatten().cloned().collect()
    }

    /// Returns, for what each privilege covers, the mode in which it is refused.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&Scopes, Mode)> {
        self.refusals.iter().map(|(scopes, mode)| (scopes, *mode))
    }

    /// Returns the mode in which the privileges that cover just this are refused.
    pub(crate) fn refusal(&self, scopes: &Scopes) -> Option<Mode> {
        self.refusals.get(scopes).copied()
    }

    /// Returns the modes in which requests out of some scopes may be refused here.
    pub(crate) fn refusal_modes(&self, scopes: &Scopes) -> BTreeSet<Mode> {
        let meets = |other: &Scopes| {
            let mut pairs = scopes
                .iter()
                .flat_map(|own| other.iter().map(move |other| (own, other)));
            pairs.any(|(own, other)| own.intersect(other).is_some())
        };
        let meeting = self.refusals.iter().filter(|(other, _)| meets(other));
        let mut modes: BTreeSet<Mode> = meeting.map(|(_, mode)| *mode).collect();
        let is_covered = |scope| any_covers(self.refusals.keys().flatten(), scope);
        if self.default_access == Access::Deny && !scopes.iter().all(is_covered) {
            modes.insert(self.mode);
        }
        modes
    }

    /// Returns whether something is refused in Audit, so that its end matters.
    pub(crate) fn has_audit(&self) -> bool {
        let mut modes = self.refusals.values().copied();
        self.mode != Mode::Disabled
            && (self.mode == Mode::Audit || modes.any(|mode| mode == Mode::Audit))
    }
}
