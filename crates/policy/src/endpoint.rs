//! What is in force at one endpoint at the moment of a request.
//!
//! Mode and rules come together, so that they cannot be of different profiles.

use std::sync::Arc;

use jiff::Timestamp;
use latchkey_protocol::{EndpointKind, Mode};

use crate::rules::RuleSet;

/// Whether requests to an endpoint can be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// The key is there.
    Held,
    /// The endpoint needs a key, and it is not there yet.
    Missing,
    /// The endpoint's host does not speak the protocol: nothing is signed.
    NotUsed,
}

/// The rules of one endpoint, or the mode that it waits for them in.
#[derive(Clone, Debug)]
pub struct EndpointPolicy {
    kind: EndpointKind,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Pending(Mode),
    InForce(Arc<RuleSet>),
}

impl EndpointPolicy {
    /// Returns the policy of an endpoint whose rules have not arrived; `mode` is the last
    /// one known, or else the configured one.
    #[must_use]
    pub const fn pending(kind: EndpointKind, mode: Mode) -> Self {
        Self {
            kind,
            state: State::Pending(mode),
        }
    }

    /// Returns the policy of an endpoint with rules, in their mode.
    #[must_use]
    pub const fn in_force(kind: EndpointKind, rules: Arc<RuleSet>) -> Self {
        Self {
            kind,
            state: State::InForce(rules),
        }
    }

    /// Returns the kind of the endpoint.
    #[must_use]
    pub const fn kind(&self) -> EndpointKind {
        self.kind
    }

    /// Returns the mode of the endpoint, which is Enforce when its Audit has ended.
    #[must_use]
    pub fn mode(&self, now: Timestamp) -> Mode {
        match &self.state {
            State::Pending(mode) => *mode,
            State::InForce(rules) => rules.mode(now),
        }
    }

    /// Returns when Audit ends; nothing when it lasts, or nothing is in Audit.
    #[must_use]
    pub fn audit_until(&self) -> Option<Timestamp> {
        self.rules()?.audit_until()
    }

    /// Returns the rules, if they have arrived.
    #[must_use]
    pub const fn rules(&self) -> Option<&Arc<RuleSet>> {
        match &self.state {
            State::Pending(_) => None,
            State::InForce(rules) => Some(rules),
        }
    }
}
