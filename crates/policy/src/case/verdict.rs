//! The answer to a case in the words that scripts rely on.

use jiff::Timestamp;
use latchkey_protocol::{Caller, Reason, Request};
use serde::{Deserialize, Serialize};

use super::KEY;
use crate::decide::{Decision, decide};
use crate::endpoint::EndpointPolicy;
use crate::judge::{self, Finding};
use crate::rules::Rule;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is let through, and nothing speaks against it.
    Allow,
    /// Audit lets it through; Enforce would refuse it.
    Audit,
    /// It is refused.
    Deny,
    /// It cannot be judged.
    Error,
}

impl Verdict {
    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Audit => "audit",
            Self::Deny => "deny",
            Self::Error => "error",
        }
    }

    /// Returns whether the request is answered, with or without a remark in the audit trail.
    #[must_use]
    pub const fn is_let_through(self) -> bool {
        matches!(self, Self::Allow | Self::Audit)
    }
}

/// What was decided about one request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why it is, or in Enforce would be, refused.
    pub reason: Option<Reason>,
    /// What in the rules decided; none when they were not asked.
    pub rule: Option<Rule>,
}

impl Answer {
    /// Decides about a request at a point of time.
    #[must_use]
    pub fn to(request: Request, caller: &Caller, policy: &EndpointPolicy, now: Timestamp) -> Self {
        Self::from(&decide(request, caller, policy, KEY, now))
    }

    /// Returns what becomes of a request that the agent does not accept as one.
    #[must_use]
    pub const fn malformed(reason: Reason) -> Self {
        Self {
            verdict: Verdict::Deny,
            reason: Some(reason),
            rule: None,
        }
    }
}

impl From<judge::Verdict> for Verdict {
    fn from(verdict: judge::Verdict) -> Self {
        match verdict {
            judge::Verdict::Allow => Self::Allow,
            judge::Verdict::Audit => Self::Audit,
            judge::Verdict::Deny => Self::Deny,
        }
    }
}

impl From<&Decision> for Answer {
    fn from(decision: &Decision) -> Self {
        Self {
            verdict: decision.verdict().into(),
            reason: decision.reason(),
            rule: decision.basis().rule().cloned(),
        }
    }
}

impl From<Finding> for Answer {
    fn from(finding: Finding) -> Self {
        Self {
            verdict: finding.verdict().into(),
            reason: finding.reason(),
            rule: finding.rule,
        }
    }
}
