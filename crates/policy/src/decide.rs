//! Decides about one request of one caller. Nothing may be forwarded without the [`Permit`] made here.
//!
//! The checks stand in the order of the architecture's mode table. Audit is a field of
//! the decision that Enforce would take, never a second path through the checks.
//!
//! Pure: the time, by which Audit may have ended, is a value; how long to wait for rules
//! or a key is the agent's business. What cannot be decided is refused in Enforce.

use std::sync::Arc;

use jiff::Timestamp;
use latchkey_protocol::{Caller, Mode, Reason, Request};

use crate::endpoint::{EndpointPolicy, KeyState};
use crate::judge::{Finding, KnownIdentities, Question, Signing, Subject, Verdict};
use crate::rules::{Rule, RuleSet};

/// What a decision rests on, for the record.
#[derive(Clone, Debug)]
pub struct Basis {
    mode: Mode,
    rules: Option<Arc<RuleSet>>,
    rule: Option<Rule>,
    is_provisional: bool,
}

impl Basis {
    /// Returns the mode that the decision was taken in: the endpoint's, or the one that counts for
    /// what the rules refuse.
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

    /// Returns the verdict in one word.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Permitted(permit) if permit.would_refuse.is_some() => Verdict::Audit,
            Self::Permitted(_) => Verdict::Allow,
            Self::Refused(_) => Verdict::Deny,
        }
    }

    /// Returns why the request is refused, or in Enforce would be.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Permitted(permit) => permit.would_refuse,
            Self::Refused(refusal) => Some(refusal.reason),
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

/// Decides whether `caller` may make `request`, under the policy of the endpoint that it is for, at
/// the time `now`.
pub fn decide(
    request: Request,
    caller: &Caller,
    policy: &EndpointPolicy,
    key: KeyState,
    now: Timestamp,
) -> Decision {
    let known = KnownIdentities::default();
    let Finding {
        mode,
        rule,
        outcome,
        is_provisional,
    } = Subject::new(caller, policy, &known).judge(&Question::from(&request), key, now);
    let basis = Basis {
        mode,
        rules: policy.rules().cloned(),
        rule,
        is_provisional,
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

#[cfg(test)]
mod tests;
