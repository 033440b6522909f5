//! Takes the decision about a request with the rules and the key in force, and waits for them if they are on their way.
//!
//! Provisioning clients give up on an early refusal, so a request whose decision lacks
//! rules or key is held. The wait is bounded, and ends at once when the agent stops; then
//! what the mode says about the missing rules or key is carried out.

use std::sync::Arc;
use std::time::Duration;

use latchkey_policy::{Decision, KeyState, decide};
use latchkey_protocol::latch::IssuedKey;
use latchkey_protocol::{Caller, Endpoint, Request};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::counters::Counters;
use crate::keys::{KeyChanges, KeyHolder};
use crate::rules::PolicyReader;

/// Decides.
#[derive(Debug)]
pub struct Judge {
    /// What is allowed.
    pub policies: PolicyReader,
    /// What signs.
    pub keys: KeyHolder,
    /// How long a request waits for rules and key to arrive.
    pub patience: Duration,
    /// What is counted.
    pub counters: Arc<Counters>,
}

/// Whose request is decided, and for which endpoint.
#[derive(Clone, Copy)]
pub(crate) struct Matter<'a> {
    /// The endpoint's index in the table.
    pub(crate) index: usize,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) caller: &'a Caller,
}

/// A decision, and the key that there was when it was taken.
pub(crate) struct Ruling {
    pub(crate) decision: Decision,
    pub(crate) key: Option<Arc<IssuedKey>>,
}

impl Judge {
    /// Decides; a request whose rules or key are still to come is held and decided again, until
    /// `stop` turns true at the latest. Nothing when the endpoint has no policy.
    pub(crate) async fn rule(
        &self,
        request: Request,
        matter: Matter<'_>,
        stop: &watch::Receiver<bool>,
    ) -> Option<Ruling> {
        let mut ruling = self.rule_now(request, matter)?;
        if !ruling.decision.is_provisional() {
            return Some(ruling);
        }
        self.counters.requests_held.add();
        let mut hold = Hold::begin(self, stop.clone());
        loop {
            // At first for what arrived after the decision and before the hold.
            ruling = self.rule_now(ruling.decision.into_request(), matter)?;
            if !ruling.decision.is_provisional() || hold.wait().await == Wait::Over {
                return Some(ruling);
            }
        }
    }

    /// Decides with the rules and the key of this moment. Nothing when the endpoint has no policy.
    pub(crate) fn rule_now(&self, request: Request, matter: Matter<'_>) -> Option<Ruling> {
        let policies = self.policies.current();
        let policy = policies.get(matter.index)?;
        let key = self.keys.current();
        let state = key_state(matter.endpoint, key.is_some());
        let now = self.policies.now();
        let decision = decide(request, matter.caller, policy, state, now);
        Some(Ruling { decision, key })
    }
}

const fn key_state(endpoint: &Endpoint, is_held: bool) -> KeyState {
    match (endpoint.msp, is_held) {
        (false, _) => KeyState::NotUsed,
        (true, true) => KeyState::Held,
        (true, false) => KeyState::Missing,
    }
}

/// The wait of one request.
struct Hold {
    policies: PolicyReader,
    key: KeyChanges,
    stop: watch::Receiver<bool>,
    until: Instant,
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// Rules or key changed: the request can be decided again.
    Changed,
    /// The time is up, or the agent stops: the last decision stands.
    Over,
}

impl Hold {
    fn begin(judge: &Judge, stop: watch::Receiver<bool>) -> Self {
        Self {
            policies: judge.policies.clone(),
            key: judge.keys.changes(),
            stop,
            until: Instant::now() + judge.patience,
        }
    }

    async fn wait(&mut self) -> Wait {
        let is_changed = tokio::select! {
            is_changed = self.policies.changed() => is_changed,
            is_changed = self.key.changed() => is_changed,
            () = sleep_until(self.until) => false,
            _ = self.stop.wait_for(|stop| *stop) => false,
        };
        if is_changed {
            Wait::Changed
        } else {
            Wait::Over
        }
    }
}
