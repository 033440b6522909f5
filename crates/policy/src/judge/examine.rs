//! The checks that a request must pass in Enforce, in the order of the mode table.
//!
//! Each check says itself what Audit does when it fails, and which mode counts then; nothing else
//! knows a mode.

use jiff::Timestamp;
use latchkey_protocol::request::Meaning;
use latchkey_protocol::{Elevation, Mode, Reason};

use super::{Question, Subject};
use crate::endpoint::KeyState;
use crate::rules::{Rule, RuleSet};

/// What speaks against a request in Enforce, and what Audit does all the same.
pub(super) struct Objection {
    pub(super) reason: Reason,
    pub(super) in_audit: InAudit,
    pub(super) mode: Mode,
    pub(super) rule: Option<Rule>,
}

/// What Audit does with a request that Enforce refuses.
#[derive(Clone, Copy)]
pub(super) enum InAudit {
    /// It is refused as in Enforce.
    Refuse,
    /// It is forwarded, signed if it can be.
    Forward,
    /// It is forwarded without a signature.
    ForwardUnsigned,
}

impl Objection {
    const fn before_rules(reason: Reason, in_audit: InAudit, mode: Mode) -> Self {
        Self {
            reason,
            in_audit,
            mode,
            rule: None,
        }
    }
}

impl Subject<'_> {
    /// The checks of Enforce, in their order; `mode` is the endpoint's.
    pub(super) fn examine(
        &self,
        question: &Question<'_>,
        key: KeyState,
        mode: Mode,
        now: Timestamp,
    ) -> Result<Rule, Objection> {
        self.require_endpoint(question, mode)?;
        let rules = self.policy.rules().map(AsRef::as_ref);
        let attributes = self.caller.attributes.as_ref().map_err(|reason| {
            // SECURITY: whoever keeps the agent from looking would otherwise get what an assignment
            // enforces while the profile is in Audit.
            let mode = strictest(rules, question, mode, now);
            Objection::before_rules(*reason, InAudit::Forward, mode)
        })?;
        let rules = rules.ok_or(Objection::before_rules(
            Reason::RulesPending,
            InAudit::ForwardUnsigned,
            mode,
        ))?;
        let target = match question.meaning {
            Meaning::Canonical(target) => target,
            Meaning::Ambiguous(reason) => {
                // SECURITY: the host could read it as a request for what an assignment enforces.
                let mode = rules.strictest_mode(now);
                let in_audit = InAudit::ForwardUnsigned;
                return Err(Objection::before_rules(*reason, in_audit, mode));
            }
        };
        let identities = || {
            let identify = || rules.identify(attributes);
            self.known.0.get_or_init(identify).as_slice()
        };
        let rule = rules
            .allow(target, question.method, identities, now)
            .map_err(|objection| Objection {
                reason: objection.reason,
                in_audit: InAudit::Forward,
                mode: objection.mode,
                rule: Some(objection.rule),
            })?;
        // The key stands last: what the rules refuse is refused for good, not to be retried.
        if key == KeyState::Missing && question.upload.is_none() {
            return Err(Objection {
                rule: Some(rule),
                ..Objection::before_rules(Reason::KeyPending, InAudit::ForwardUnsigned, mode)
            });
        }
        Ok(rule)
    }

    /// Requires that the request is for this endpoint, and root where root alone is served.
    fn require_endpoint(&self, question: &Question<'_>, mode: Mode) -> Result<(), Objection> {
        let kind = self.policy.kind();
        // A request means something at its own endpoint alone.
        let reason = if question.endpoint != kind {
            Reason::UnknownEndpoint
        } else if kind.is_root_only() && self.caller.elevation != Elevation::Root {
            Reason::RootRequired
        } else {
            return Ok(());
        };
        Err(Objection::before_rules(reason, InAudit::Refuse, mode))
    }
}

/// Returns the strictest mode that the request could fall under, which is no less strict than the
/// endpoint's.
fn strictest(rules: Option<&RuleSet>, question: &Question<'_>, mode: Mode, now: Timestamp) -> Mode {
    match (rules, question.meaning) {
        (None, _) => mode,
        (Some(rules), Meaning::Canonical(target)) => {
            rules.mode_for_strangers(target, question.method, now)
        }
        (Some(rules), Meaning::Ambiguous(_)) => rules.strictest_mode(now),
    }
}
