//! The checks that a request must pass in Enforce, in the order of the mode table.
//!
//! Each check says itself what Audit does when it fails; nothing else knows the mode.

use latchkey_protocol::request::Meaning;
use latchkey_protocol::{Caller, Elevation, Reason, Request};

use crate::endpoint::{EndpointPolicy, KeyState};
use crate::rules::Rule;

/// What speaks against a request in Enforce, and what Audit does all the same.
pub(super) struct Objection {
    pub(super) reason: Reason,
    pub(super) in_audit: InAudit,
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
    const fn before_rules(reason: Reason, in_audit: InAudit) -> Self {
        Self {
            reason,
            in_audit,
            rule: None,
        }
    }
}

/// The checks of Enforce, in their order.
pub(super) fn examine(
    request: &Request,
    caller: &Caller,
    policy: &EndpointPolicy,
    key: KeyState,
) -> Result<Rule, Objection> {
    // A request means something at its own endpoint alone.
    if request.endpoint() != policy.kind() {
        return Err(Objection::before_rules(
            Reason::UnknownEndpoint,
            InAudit::Refuse,
        ));
    }
    if policy.kind().is_root_only() && caller.elevation != Elevation::Root {
        return Err(Objection::before_rules(
            Reason::RootRequired,
            InAudit::Refuse,
        ));
    }
    let attributes = caller
        .attributes
        .as_ref()
        .map_err(|reason| Objection::before_rules(*reason, InAudit::Forward))?;
    let rules = policy.rules().ok_or(Objection::before_rules(
        Reason::RulesPending,
        InAudit::ForwardUnsigned,
    ))?;
    let target = match request.meaning() {
        Meaning::Canonical(target) => target,
        Meaning::Ambiguous(reason) => {
            return Err(Objection::before_rules(*reason, InAudit::ForwardUnsigned));
        }
    };
    let rule = rules
        .allow(target, attributes)
        .map_err(|(reason, rule)| Objection {
            reason,
            in_audit: InAudit::Forward,
            rule: Some(rule),
        })?;
    // The key stands last: what the rules refuse is refused for good, not to be retried.
    if key == KeyState::Missing && request.upload().is_none() {
        let (reason, in_audit) = (Reason::KeyPending, InAudit::ForwardUnsigned);
        return Err(Objection {
            reason,
            in_audit,
            rule: Some(rule),
        });
    }
    Ok(rule)
}
