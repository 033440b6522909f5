//! What a profile would make of recorded or imagined requests, beside what another one makes of them.
//!
//! Every answer is [`decide`](crate::decide())'s own. Equal questions are asked once: what was
//! answered is kept, within a bound, so that a log of millions costs little memory.

use jiff::Timestamp;
use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::{Caller, Endpoint, EndpointKind, Reason};

use crate::case::{self, Answer, Verdict};
use crate::document::InvalidProfile;
use crate::endpoint::EndpointPolicy;

mod memo;
mod recorded;
mod tally;

use memo::Memo;
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

/// The profiles of one machine, by endpoint.
#[derive(Debug, Default)]
pub struct Profiles {
    policies: Vec<(Endpoint, EndpointPolicy)>,
    /// When Audit ends in one of them.
    ends: Vec<Timestamp>,
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
        for kind in kinds {
            let Ok(endpoint) = case::endpoint(kind.as_str()) else {
                continue;
            };
            let policy = case::policy(&endpoint, Some(item))?;
            self.ends.extend(policy.audit_until());
            self.policies.retain(|(known, _)| known.kind != *kind);
            self.policies.push((endpoint, policy));
        }
        Ok(())
    }

    /// Answers a question; nothing if its endpoint has no profile.
    #[must_use]
    pub fn answer(&self, question: &Question, now: Timestamp) -> Option<Answer> {
        let mut policies = self.policies.iter();
        let (endpoint, policy) = policies.find(|(known, _)| known.kind == question.endpoint)?;
        Some(answer(question, endpoint, policy, now))
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
    let Some(objection) = question.objection else {
        return match case::request(endpoint, &question.method, &question.target) {
            Ok(request) => Answer::to(request, &question.caller, policy, now),
            Err(reason) => Answer::malformed(reason),
        };
    };
    // The headers are not recorded: a foreign host stands for whatever was wrong with them, which
    // the mode table treats alike.
    match case::request_for(endpoint, FOREIGN_HOST, &question.method, &question.target) {
        Ok(request) => {
            let mut answer = Answer::to(request, &question.caller, policy, now);
            if answer.reason == Some(Reason::ForeignHost) {
                answer.reason = Some(objection);
            }
            answer
        }
        Err(reason) => Answer::malformed(reason),
    }
}

/// A host that no endpoint answers for (RFC 2606).
const FOREIGN_HOST: &str = "foreign.invalid";

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
    /// The candidate's; nothing if the endpoint has no profile.
    pub candidate: Option<Answer>,
    /// What is in force now.
    pub current: Option<Answer>,
}

/// Puts questions to a candidate, and to what is in force now.
#[derive(Debug)]
pub struct Simulator {
    candidate: Profiles,
    current: Option<Profiles>,
    memo: Memo,
}

impl Simulator {
    /// Takes the profiles.
    #[must_use]
    pub fn new(candidate: Profiles, current: Option<Profiles>) -> Self {
        Self {
            candidate,
            current,
            memo: Memo::default(),
        }
    }

    /// Returns what is in force now makes of a question, if anything is.
    #[must_use]
    pub fn current(&self, question: &Question, now: Timestamp) -> Option<Answer> {
        self.current.as_ref()?.answer(question, now)
    }

    /// Answers a question as of a point of time.
    pub fn judge(&mut self, question: Question, now: Timestamp) -> (&Question, &Judged) {
        let profiles = std::iter::once(&self.candidate).chain(&self.current);
        let ends = profiles.flat_map(|profiles| &profiles.ends);
        // All that a decision takes from the time is which Audits have ended.
        let ended = ends.filter(|end| **end <= now).count();
        let Self {
            candidate,
            current,
            memo,
        } = self;
        memo.get_or_insert(question, ended, |question| Judged {
            candidate: candidate.answer(question, now),
            current: current
                .as_ref()
                .and_then(|current| current.answer(question, now)),
        })
    }
}

#[cfg(test)]
mod tests;
