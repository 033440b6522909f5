//! Who would be refused, how often and by which rule, grouped by caller.
//!
//! Bounded: callers and findings beyond a number are counted together, and said to be.

use std::collections::HashMap;

use latchkey_protocol::{EndpointKind, Reason};

use super::Change;
use crate::case::{Answer, Verdict};
use crate::rules::Rule;

/// How many callers are told apart.
const MAX_GROUPS: usize = 4096;

/// How many findings of one caller are told apart.
const MAX_FINDINGS: usize = 64;

/// What is to be said about requests of one caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finding {
    /// The endpoint that was asked.
    pub endpoint: EndpointKind,
    /// What becomes of them.
    pub verdict: Verdict,
    /// What that changes.
    pub change: Option<Change>,
    /// Why they are, or in Enforce would be, refused.
    pub reason: Option<Reason>,
    /// What in the rules decided.
    pub rule: Option<Rule>,
}

/// How often something was found, and where first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// How often.
    pub count: u64,
    /// Method and target of the first request.
    pub example: String,
}

/// The requests of one caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// How many there are.
    pub requests: u64,
    /// What is to be said about them.
    pub findings: HashMap<Finding, Sighting>,
    /// How many requests have findings that are not told apart.
    pub unlisted: u64,
}

/// All requests of a simulation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many requests there are of each verdict.
    pub verdicts: HashMap<Verdict, u64>,
    /// How many are let through and were not, or the reverse.
    pub changes: HashMap<Change, u64>,
    /// How many could be compared with what was decided before.
    pub compared: u64,
    /// The callers.
    pub groups: HashMap<String, Group>,
    /// How many requests are of callers that are not told apart.
    pub ungrouped: u64,
}

impl Tally {
    /// Counts a request that was judged, by the name of its caller.
    pub fn add(
        &mut self,
        (endpoint, caller): (EndpointKind, &str),
        answer: &Answer,
        before: Option<Verdict>,
        example: impl FnOnce() -> String,
    ) {
        let change = before.and_then(|before| Change::between(before, answer.verdict));
        *self.verdicts.entry(answer.verdict).or_default() += 1;
        self.compared += u64::from(before.is_some());
        if let Some(change) = change {
            *self.changes.entry(change).or_default() += 1;
        }
        let Some(group) = self.group(caller) else {
            self.ungrouped += 1;
            return;
        };
        group.requests += 1;
        if answer.verdict == Verdict::Allow && change.is_none() {
            return;
        }
        let finding = Finding {
            endpoint,
            verdict: answer.verdict,
            change,
            reason: answer.reason,
            rule: answer.rule.clone(),
        };
        group.add(finding, example);
    }

    fn group(&mut self, caller: &str) -> Option<&mut Group> {
        // The usual case needs no copy of a name that is known already.
        if !self.groups.contains_key(caller) {
            if self.groups.len() >= MAX_GROUPS {
                return None;
            }
            self.groups.insert(caller.to_owned(), Group::default());
        }
        self.groups.get_mut(caller)
    }

    /// Counts a request that cannot be judged.
    pub fn add_error(&mut self) {
        *self.verdicts.entry(Verdict::Error).or_default() += 1;
    }

    /// Returns how many requests there are.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.verdicts.values().sum()
    }

    /// Returns how often something changes.
    #[must_use]
    pub fn changed(&self, change: Change) -> u64 {
        self.changes.get(&change).copied().unwrap_or_default()
    }

    /// Returns how many requests have this verdict.
    #[must_use]
    pub fn judged(&self, verdict: Verdict) -> u64 {
        self.verdicts.get(&verdict).copied().unwrap_or_default()
    }
}

impl Group {
    fn add(&mut self, finding: Finding, example: impl FnOnce() -> String) {
        if let Some(sighting) = self.findings.get_mut(&finding) {
            sighting.count += 1;
        } else if self.findings.len() < MAX_FINDINGS {
            let example = example();
            self.findings
                .insert(finding, Sighting { count: 1, example });
        } else {
            self.unlisted += 1;
        }
    }
}
