//! Decides about one request of one caller. Nothing may be forwarded without the [`Permit`] made here.
//!
//! The checks stand in the order of the architecture's mode table. Audit is a field of
//! the decision that Enforce would take, never a second path through the checks.
//!
//! Pure: no clock, because nothing in a rule depends on time; how long to wait for rules
//! or a key is the agent's business. What cannot be decided is refused in Enforce.

use std::sync::Arc;

use latchkey_protocol::request::Meaning;
use latchkey_protocol::{Caller, Mode, Reason, Request};

use crate::endpoint::{EndpointPolicy, KeyState};
use crate::rules::{Rule, RuleSet};

mod examine;

use examine::{InAudit, Objection, examine};

/// What a decision rests on, for the record.
#[derive(Clone, Debug)]
pub struct Basis {
    mode: Mode,
    rules: Option<Arc<RuleSet>>,
    rule: Option<Rule>,
    is_provisional: bool,
}

impl Basis {
    /// Returns the mode that the decision was taken in.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Returns the rules that were in force; none when they had not arrived.
    #[must_use]
    pub fn rules(&self) -> Option<&RuleSet> {
        self.rules.as_deref()
    }

    /// Returns what in the rules decided; none when the rules were not asked, because the
    /// request or its caller fell to a check before them.
    #[must_use]
    pub const fn rule(&self) -> Option<&Rule> {
        self.rule.as_ref()
    }
}

/// How a permitted request travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    /// With date, claims and signature.
    Signed,
    /// Without any of them.
    Unsigned,
}

/// The permission to forward the one request that it holds.
///
/// Only [`decide`] makes one, nobody can copy it, and it cannot be changed:
///
/// ```compile_fail,E0451
/// use latchkey_policy::{Basis, Permit, Signing};
/// fn forge(request: latchkey_protocol::Request, basis: Basis) -> Permit {
///     Permit { request, signing: Signing::Signed, basis, would_refuse: None }
/// }
/// ```
///
/// ```compile_fail,E0277
/// use latchkey_policy::Permit;
/// fn copy(permit: &Permit) -> Permit {
///     Permit::clone(permit)
/// }
/// ```
///
/// ```compile_fail,E0616
/// use latchkey_policy::{Permit, Signing};
/// fn upgrade(permit: &mut Permit) {
///     permit.signing = Signing::Signed;
/// }
/// ```
#[derive(Debug)]
#[must_use = "a permitted request is still to be forwarded"]
pub struct Permit {
    request: Request,
    signing: Signing,
    basis: Basis,
    would_refuse: Option<Reason>,
}

impl Permit {
    /// Returns the request that may be forwarded.
    #[must_use]
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// Returns how the request travels.
    #[must_use]
    pub const fn signing(&self) -> Signing {
        self.signing
    }

    /// Returns what the decision rests on.
    #[must_use]
    pub const fn basis(&self) -> &Basis {
        &self.basis
    }

    /// Returns, in Audit, why Enforce would have refused.
    #[must_use]
    pub const fn would_refuse(&self) -> Option<Reason> {
        self.would_refuse
    }

    /// Returns the request, giving up the permission.
    #[must_use]
    pub fn into_request(self) -> Request {
        self.request
    }
}

/// A request that may not be forwarded, handed back for the record.
#[derive(Debug)]
#[must_use = "a refused request is still to be answered and recorded"]
pub struct Refusal {
    /// The request.
    pub request: Request,
    /// Why it may not be forwarded.
    pub reason: Reason,
    /// What the decision rests on.
    pub basis: Basis,
}

/// What becomes of a request.
#[derive(Debug)]
#[must_use = "a decision is to be carried out"]
pub enum Decision {
    /// It may be forwarded.
    Permitted(Permit),
    /// It may not be forwarded.
    Refused(Refusal),
}

impl Decision {
    /// Returns what the decision rests on.
    #[must_use]
    pub const fn basis(&self) -> &Basis {
        match self {
            Self::Permitted(permit) => permit.basis(),
            Self::Refused(refusal) => &refusal.basis,
        }
    }

    /// Returns whether rules or a key that have not arrived would make another decision. Whoever can
    /// wait for them asks again then; whoever cannot carries this one out.
    #[must_use]
    pub const fn is_provisional(&self) -> bool {
        self.basis().is_provisional
    }

    /// Returns the request, giving up the decision.
    #[must_use]
    pub fn into_request(self) -> Request {
        match self {
            Self::Permitted(permit) => permit.into_request(),
            Self::Refused(refusal) => refusal.request,
        }
    }
}

/// Decides whether `caller` may make `request`, under the policy of the endpoint that it is for.
pub fn decide(
    request: Request,
    caller: &Caller,
    policy: &EndpointPolicy,
    key: KeyState,
) -> Decision {
    let mode = policy.mode();
    let (outcome, rule) = match mode {
        Mode::Disabled => (Ok((Signing::Unsigned, None)), None),
        Mode::Audit | Mode::Enforce => match examine(&request, caller, policy, key) {
            Ok(rule) => (Ok((signing(&request, key), None)), Some(rule)),
            Err(objection) => (
                settle(mode, &objection, signing(&request, key)),
                objection.rule,
            ),
        },
    };
    let basis = Basis {
        mode,
        rules: policy.rules().cloned(),
        rule,
        is_provisional: mode != Mode::Disabled && is_provisional(&outcome, &request, key),
    };
    match outcome {
        Ok((signing, would_refuse)) => Decision::Permitted(Permit {
            request,
            signing,
            basis,
            would_refuse,
        }),
        Err(reason) => Decision::Refused(Refusal {
            request,
            reason,
            basis,
        }),
    }
}

/// Turns an objection into what the mode makes of it: how the request travels all the
/// same and what is recorded, or the reason of the refusal.
const fn settle(
    mode: Mode,
    objection: &Objection,
    signing: Signing,
) -> Result<(Signing, Option<Reason>), Reason> {
    match (mode, objection.in_audit) {
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
    request: &Request,
    key: KeyState,
) -> bool {
    match outcome {
        Err(Reason::RulesPending | Reason::KeyPending) | Ok((_, Some(Reason::RulesPending))) => {
            true
        }
        Err(_) => false,
        Ok(_) => key == KeyState::Missing && signing(request, KeyState::Held) == Signing::Signed,
    }
}

/// Returns how a request travels that nothing keeps from being signed.
const fn signing(request: &Request, key: KeyState) -> Signing {
    match (key, request.meaning()) {
        // SECURITY: the host could read a signed ambiguous request as another one.
        (KeyState::Held, Meaning::Canonical(_)) if request.upload().is_none() => Signing::Signed,
        _ => Signing::Unsigned,
    }
}

#[cfg(test)]
mod tests;
