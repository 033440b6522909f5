//! One line of the answer in JSON: the fields that scripts rely on first, in this order.

use latchkey_policy::case::{Answer, Verdict};
use latchkey_policy::simulate::Change;
use latchkey_protocol::Reason;
use serde::Serialize;
use serde_json::Value;

/// What became of one request.
#[derive(Debug, Serialize)]
pub(super) struct AnswerLine {
    id: Value,
    verdict: Verdict,
    reason: Option<Reason>,
    rule: Option<String>,
    /// What was decided before.
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'static str>,
    /// Where a request without an id stands: its line, or which of a document it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// Why it cannot be judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl AnswerLine {
    pub(super) fn judged(id: Value, answer: &Answer, was: Option<Verdict>) -> Self {
        let change = was.and_then(|was| Change::between(was, answer.verdict));
        Self {
            id,
            verdict: answer.verdict,
            reason: answer.reason,
            rule: answer.rule.as_ref().map(ToString::to_string),
            was,
            change: change.map(Change::as_str),
            line: None,
            problem: None,
        }
    }

    pub(super) fn error(id: Value, reason: Option<Reason>, problem: String) -> Self {
        Self {
            id,
            verdict: Verdict::Error,
            reason,
            rule: None,
            was: None,
            change: None,
            line: None,
            problem: Some(problem),
        }
    }

    /// Says where the request stands if nothing else tells it from others.
    pub(super) fn at(mut self, number: u64) -> Self {
        self.line = self.id.is_null().then_some(number);
        self
    }
}
