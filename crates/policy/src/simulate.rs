//! What a profile would make of recorded or imagined requests, beside what another one makes of them.
//!
//! Every answer is that of [`decide`](crate::decide())'s own checks. A request is read once and a
//! caller looked at once, and no text is made, so that a log of millions costs little.

use std::rc::Rc;
use std::sync::Arc;

use jiff::Timestamp;
use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::{Caller, Endpoint, EndpointKind, EndpointTable, Mode, Reason};

use crate::case::{Answer, Verdict};
use crate::document::InvalidProfile;
use crate::endpoint::EndpointPolicy;
use crate::judge::KnownIdentities;
use crate::rules::RuleSet;

mod callers;
mod line;
mod recorded;
mod tally;

use callers::Callers;
use line::Line;
pub use recorded::{Recorded, RecordedError};
pub use tally::{Finding, Group, Sighting, Tally};

/// One request as it is put to a profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The endpoint that is asked.
    pub endpoint: EndpointKind,
    /// The method.
    pub method: String,
    /// The target's bytes.
    pub target: Vec<u8>,
    /// Who asks.
    pub caller: Caller,
    /// What the agent found wrong with headers that are not recorded.
    pub objection: Option<Reason>,
}

/// How many endpoints profiles are in force at.
const ENDPOINTS: usize = 3;

/// The profiles of one machine.
#[derive(Debug, Default)]
pub struct Profiles {
    /// One for each endpoint at most.
    policies: Vec<EndpointPolicy>,
}

impl Profiles {
    /// Puts a profile in force at an endpoint; the WireServer's holds for the `HostGAPlugin` too.
    ///
    /// # Errors
    /// When the profile breaks a rule.
    pub fn insert(
        &mut self,
        kind: EndpointKind,
        item: &AuthorizationItem,
    ) -> Result<(), InvalidProfile> {
        let kinds: &[EndpointKind] = match kind {
            EndpointKind::Imds => &[EndpointKind::Imds],
            EndpointKind::WireServer | EndpointKind::HostGa => {
                &[EndpointKind::WireServer, EndpointKind::HostGa]
            }
        };
        let rules = Arc::new(RuleSet::compile(item)?);
        self.policies
            .retain(|policy| !kinds.contains(&policy.kind()));
        let policies = kinds
            .iter()
            .map(|kind| EndpointPolicy::in_force(*kind, Arc::clone(&rules)));
        self.policies.extend(policies);
        Ok(())
    }

    fn answer(
        &self,
        kind: EndpointKind,
        line: &Line<'_>,
        known: &[KnownIdentities; ENDPOINTS],
        now: Timestamp,
    ) -> Option<Answer> {
        let mut policies = self.policies.iter().zip(known);
        let (policy, known) = policies.find(|(policy, _)| policy.kind() == kind)?;
        Some(line.answer(policy, known, now))
    }
}

/// Answers a question under one policy.
#[must_use]
pub fn answer(
    question: &Question,
    endpoint: &Endpoint,
    policy: &EndpointPolicy,
    now: Timestamp,
) -> Answer {
    Line::read(question, endpoint).answer(policy, &KnownIdentities::default(), now)
}

/// What a change of profile does to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// It was refused and would be let through.
    NewAllow,
    /// It was let through and would be refused.
    NewDeny,
}

impl Change {
    /// Compares two verdicts; nothing if the request is let through by both or by none.
    #[must_use]
    pub const fn between(before: Verdict, after: Verdict) -> Option<Self> {
        match (before, after) {
            (Verdict::Allow | Verdict::Audit, Verdict::Deny) => Some(Self::NewDeny),
            (Verdict::Deny, Verdict::Allow | Verdict::Audit) => Some(Self::NewAllow),
            _ => None,
        }
    }

    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewAllow => "new-allow",
            Self::NewDeny => "new-deny",
        }
    }
}

/// The answers of the candidate, and of the current profiles if there are any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What people know the caller by.
    pub caller: Rc<str>,
    /// The candidate's; nothing if the endpoint has no profile.
    pub candidate: Option<Answer>,
    /// What is in force now.
    pub current: Option<Answer>,
}

/// Puts questions to a candidate, and to what is in force now.
#[derive(Debug)]
pub struct Simulator {
    candidate: Profiles,
    current: Profiles,
    endpoints: EndpointTable,
    callers: Callers,
}

impl Simulator {
    /// Takes the profiles.
    #[must_use]
    pub fn new(candidate: Profiles, current: Profiles) -> Self {
        Self {
            candidate,
            current,
            endpoints: EndpointTable::azure(Mode::Enforce),
            callers: Callers::default(),
        }
    }

    /// Answers a question as of a point of time.
    pub fn judge(&mut self, question: &Question, now: Timestamp) -> Judged {
        let kind = question.endpoint;
        let caller = self.callers.meet(&question.caller);
        let mut endpoints = self.endpoints.as_slice().iter();
        let endpoint = endpoints.find(|endpoint| endpoint.kind == kind);
        let line = endpoint.map(|endpoint| Line::read(question, endpoint));
        let under = |profiles: &Profiles, known| {
            let line = line.as_ref()?;
            profiles.answer(kind, line, known, now)
        };
        Judged {
            candidate: under(&self.candidate, &caller.candidate),
            current: under(&self.current, &caller.current),
            caller: Rc::clone(&caller.name),
        }
    }
}

#[cfg(test)]
mod tests;
