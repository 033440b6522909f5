//! A question as the agent would read it off the wire: once, however many policies are asked.

use jiff::Timestamp;
use latchkey_protocol::head::check_line;
use latchkey_protocol::request::Meaning;
use latchkey_protocol::target::CanonicalTarget;
use latchkey_protocol::{Endpoint, Reason, Upload};

use super::Question;
use crate::case::{self, Answer};
use crate::endpoint::EndpointPolicy;
use crate::judge::{self, KnownIdentities, Subject};

/// A question that was read.
pub(super) struct Line<'a> {
    question: &'a Question,
    /// What it means, or why it is no request.
    read: Result<(Meaning, Option<Upload>), Reason>,
}

impl<'a> Line<'a> {
    /// Reads a question to an endpoint.
    pub(super) fn read(question: &'a Question, endpoint: &Endpoint) -> Self {
        let read = well_formed(question).map_or_else(
            || read_in_head(question, endpoint),
            |target| {
                let upload = Upload::recognise(endpoint.kind, &question.method, target);
                Ok((Meaning::from(CanonicalTarget::parse(target)), upload))
            },
        );
        let read = read.map(|(meaning, upload)| match question.objection {
            // Whatever was wrong with headers that are not recorded makes the request ambiguous.
            Some(objection) => (Meaning::Ambiguous(objection), upload),
            None => (meaning, upload),
        });
        Self { question, read }
    }

    /// Answers the question under a policy.
    pub(super) fn answer(
        &self,
        policy: &EndpointPolicy,
        known: &KnownIdentities,
        now: Timestamp,
    ) -> Answer {
        let (meaning, upload) = match &self.read {
            Ok(read) => read,
            Err(reason) => return Answer::malformed(*reason),
        };
        let question = judge::Question {
            endpoint: self.question.endpoint,
            method: &self.question.method,
            meaning,
            upload: *upload,
        };
        let subject = Subject::new(&self.question.caller, policy, known);
        Answer::from(subject.judge(&question, case::KEY, now))
    }
}

/// Returns the target of a question that makes a request in any head.
fn well_formed(question: &Question) -> Option<&str> {
    let target = std::str::from_utf8(&question.target).ok()?;
    let checked = check_line(&question.method, target);
    checked.is_ok().then_some(target)
}

/// Reads a question in a whole head, which says what is wrong with it.
fn read_in_head(
    question: &Question,
    endpoint: &Endpoint,
) -> Result<(Meaning, Option<Upload>), Reason> {
    let request = case::request(endpoint, &question.method, &question.target)?;
    Ok((request.meaning().clone(), request.upload()))
}
