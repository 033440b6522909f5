//! Judges what somebody asks for: the checks of `decide`, of a request or of the record of one.
//!
//! A [`Finding`] permits nothing. Only [`decide`](crate::decide()) makes a permit of one, for the
//! request that it owns; simulations, which have records and no requests, stop here.

use std::cell::OnceCell;
use std::fmt;

use jiff::Timestamp;
use latchkey_protocol::request::Meaning;
use latchkey_protocol::{Caller, EndpointKind, Mode, Reason, Request, Upload};
use serde::Serialize;

use crate::endpoint::{EndpointPolicy, KeyState};
use crate::rules::Rule;

mod examine;

use examine::{InAudit, Objection};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The kind of the endpoint that is asked.
    pub endpoint: EndpointKind,
    /// The method.
    pub method: &'a str,
    /// What the target means.
    pub meaning: &'a Meaning,
    /// Which of the two uploads it is.
    pub upload: Option<Upload>,
}

impl<'a> From<&'a Request> for Question<'a> {
    fn from(request: &'a Request) -> Self {
        Self {
            endpoint: request.endpoint(),
            method: request.head().method.as_str(),
            meaning: request.meaning(),
            upload: request.upload(),
        }
    }
}

/// The identities of one caller under one policy: looked up when they are first asked for, and then
/// known for every further question.
#[derive(Debug, Default)]
pub struct KnownIdentities(OnceCell<Vec<usize>>);

/// A caller under the policy of one endpoint.
#[derive(Debug)]
pub struct Subject<'a> {
    caller: &'a Caller,
    policy: &'a EndpointPolicy,
    known: &'a KnownIdentities,
}

/// How a permitted request travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    /// With date, claims and signature.
    Signed,
    /// Without any of them.
    Unsigned,
}

/// What becomes of a request, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is allowed, or its endpoint is not protected.
    Allow,
    /// Audit lets it through, and Enforce would refuse it.
    Audit,
    /// It is refused.
    Deny,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Audit => "audit",
            Self::Deny => "deny",
        })
    }
}

/// What was found about one question.
#[derive(Clone, Debug)]
pub struct Finding {
    pub(crate) mode: Mode,
    pub(crate) rule: Option<Rule>,
    /// How the request travels and why Enforce would refuse it, or why it is refused.
    pub(crate) outcome: Result<(Signing, Option<Reason>), Reason>,
    pub(crate) is_provisional: bool,
}

impl Finding {
    /// Returns the verdict.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self.outcome {
            Ok((_, None)) => Verdict::Allow,
            Ok((_, Some(_))) => Verdict::Audit,
            Err(_) => Verdict::Deny,
        }
    }

    /// Returns why the request is refused, or in Enforce would be.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match self.outcome {
            Ok((_, would_refuse)) => would_refuse,
            Err(reason) => Some(reason),
        }
    }

    /// Returns what in the rules was decisive, if they were asked.
    #[must_use]
    pub const fn rule(&self) -> Option<&Rule> {
        self.rule.as_ref()
    }

    /// Returns the mode that counted.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }
}

impl<'a> Subject<'a> {
    /// Looks at a caller under a policy; `known` is of this caller under this policy alone.
    #[must_use]
    pub const fn new(
        caller: &'a Caller,
        policy: &'a EndpointPolicy,
        known: &'a KnownIdentities,
    ) -> Self {
        Self {
            caller,
            policy,
            known,
        }
    }

    /// Judges one question at the time `now`.
    #[must_use]
    pub fn judge(&self, question: &Question<'_>, key: KeyState, now: Timestamp) -> Finding {
        let mode = self.policy.mode(now);
        if mode == Mode::Disabled {
            return Finding {
                mode,
                rule: None,
                outcome: Ok((Signing::Unsigned, None)),
                is_provisional: false,
            };
        }
        let signing = signing(question, key);
        let (mode, rule, outcome) = match self.examine(question, key, mode, now) {
            Ok(rule) => (mode, Some(rule), Ok((signing, None))),
            Err(objection) => {
                let outcome = settle(&objection, signing);
                (objection.mode, objection.rule, outcome)
            }
        };
        Finding {
            mode,
            rule,
            is_provisional: is_provisional(&outcome, question, key),
            outcome,
        }
    }
}

/// Turns an objection into what its mode makes of it: how the request travels all the
/// same and what is recorded, or the reason of the refusal.
const fn settle(
    objection: &Objection,
    signing: Signing,
) -> Result<(Signing, Option<Reason>), Reason> {
    match (objection.mode, objection.in_audit) {
        (Mode::Audit, InAudit::Forward) => Ok((signing, Some(objection.reason))),
        (Mode::Audit, InAudit::ForwardUnsigned) => Ok((Signing::Unsigned, Some(objection.reason))),
        (Mode::Audit, InAudit::Refuse) | (Mode::Enforce | Mode::Disabled, _) => {
            Err(objection.reason)
        }
    }
}

/// Returns whether an outcome lacks the rules, or the key that would sign the request.
fn is_provisional(
    outcome: &Result<(Signing, Option<Reason>), Reason>,
    question: &Question<'_>,
    key: KeyState,
) -> bool {
    match outcome {
        Err(Reason::RulesPending | Reason::KeyPending) | Ok((_, Some(Reason::RulesPending))) => {
            true
        }
        Err(_) => false,
        Ok(_) => key == KeyState::Missing && signing(question, KeyState::Held) == Signing::Signed,
    }
}

/// Returns how a request travels that nothing keeps from being signed.
const fn signing(question: &Question<'_>, key: KeyState) -> Signing {
    match (key, question.meaning) {
        // SECURITY: the host could read a signed ambiguous request as another one.
        (KeyState::Held, Meaning::Canonical(_)) if question.upload.is_none() => Signing::Signed,
        _ => Signing::Unsigned,
    }
}
