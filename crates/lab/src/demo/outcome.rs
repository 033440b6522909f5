//! What became of one request, from three witnesses: the caller, the agent's record, the host's observation.

use std::fmt;

use latchkey_record::audit::Outcome;
use latchkey_record::observation::SignatureFinding;
use latchkey_record::{AuditRecord, Observation};

use crate::curl::Answer;

/// What the table shows of an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cells {
    pub(super) verdict: String,
    pub(super) reason: String,
    pub(super) signed: String,
    pub(super) host: String,
}

impl From<[&str; 4]> for Cells {
    fn from(cells: [&str; 4]) -> Self {
        let [verdict, reason, signed, host] = cells.map(str::to_owned);
        Self {
            verdict,
            reason,
            signed,
            host,
        }
    }
}

impl fmt::Display for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            verdict,
            reason,
            signed,
            host,
        } = self;
        write!(
            f,
            "`{verdict}`, reason `{reason}`, signed `{signed}`, host `{host}`"
        )
    }
}

/// The three witnesses of one request.
pub(super) struct Seen<'a> {
    pub(super) answer: &'a Answer,
    pub(super) record: Option<&'a AuditRecord>,
    pub(super) observation: Option<&'a Observation>,
}

impl Seen<'_> {
    pub(super) fn cells(&self) -> Cells {
        let (verdict, reason) = self.verdict();
        Cells {
            verdict: verdict.to_owned(),
            reason: reason.unwrap_or("-").to_owned(),
            signed: self.signed().to_owned(),
            host: self.observation.map_or("not asked".to_owned(), host_answer),
        }
    }

    /// Returns what the agent decided, and why.
    fn verdict(&self) -> (&'static str, Option<&'static str>) {
        let Some(record) = self.record else {
            return ("no agent", None);
        };
        let reason = record.reason.or(record.would_refuse);
        let verdict = match record.outcome {
            Outcome::Forwarded if record.would_refuse.is_some() => "let through",
            Outcome::Forwarded => "allowed",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
            Outcome::Abandoned => "abandoned",
        };
        (verdict, reason.map(latchkey_protocol::Reason::as_str))
    }

    /// Returns what the host found of a signature; where it was not asked, what the agent did.
    fn signed(&self) -> &'static str {
        match self.observation.map(|seen| seen.signature) {
            Some(SignatureFinding::Valid) => "yes",
            Some(SignatureFinding::Invalid) => "forged",
            Some(SignatureFinding::Absent | SignatureFinding::Exempt) => "no",
            None if self.record.is_some_and(|record| record.signed) => "yes",
            None => "no",
        }
    }

    /// Whether the witnesses agree: the caller got the status that was recorded, and what the agent
    /// says that it signed is what the host found valid, in the name of the very caller.
    pub(super) fn is_consistent(&self) -> bool {
        let host_status = self.observation.map(|seen| seen.status);
        match (self.record, self.observation) {
            (None, None) => false,
            (None, Some(_)) => self.answer.status == host_status,
            (Some(record), None) => self.answer.status == record.status && !record.signed,
            (Some(record), Some(seen)) => {
                let is_valid = seen.signature == SignatureFinding::Valid;
                let claim = record.caller.as_ref().map(|caller| caller.root);
                self.answer.status == record.status
                    && record.status == host_status
                    && record.signed == is_valid
                    && (!is_valid || seen.is_root == claim)
            }
        }
    }
}

/// Whether the agent sent the request on to the host.
pub(super) fn was_forwarded(record: &AuditRecord) -> bool {
    matches!(record.outcome, Outcome::Forwarded | Outcome::Failed)
}

fn host_answer(seen: &Observation) -> String {
    match seen.reason.filter(|_| !seen.accepted) {
        Some(reason) => format!("{} {reason}", seen.status),
        None => seen.status.to_string(),
    }
}
