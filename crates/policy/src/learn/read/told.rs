//! Which records were told already: the same file, a copy of it, or logs that overlap may be read at once.
//!
//! A record that is counted twice would no longer be one that was seen once, which a person decides on.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use super::row::number_of;
use super::{Line, RequestId};
use crate::learn::Sample;

/// How many gaps between audit records are kept.
const MAX_SPANS: usize = 1 << 16;

/// How many of the deployed agent's requests are kept.
const MAX_REQUESTS: usize = 1 << 20;

/// What tells a record from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordId {
    /// Of an audit record.
    Audit {
        /// The run of the agent, as a number that stands for its name.
        run: u64,
        /// Its number in the run.
        sequence: u64,
    },
    /// Of a line of a connection log, whose ids begin anew with each start of the agent.
    Request(RequestId),
}

impl RecordId {
    pub(super) fn audit(run: &str, sequence: u64) -> Self {
        let run = number_of(run);
        Self::Audit { run, sequence }
    }
}

/// The records that were told.
#[derive(Debug, Default)]
pub struct Told {
    /// The last number of audit records that follow each other, by run and first number.
    spans: BTreeMap<(u64, u64), u64>,
    requests: HashSet<u64>,
    hasher: RandomState,
}

impl Told {
    /// Turns what was told already into a duplicate; other lines stay as they are.
    pub fn take<'a>(&mut self, line: Line<'a>) -> Line<'a> {
        let is_new = match &line {
            Line::Sample(_, Some(RecordId::Audit { run, sequence })) => {
                self.is_new_audit(*run, *sequence)
            }
            Line::Sample(sample, Some(RecordId::Request(id))) => self.is_new_request(sample, *id),
            _ => true,
        };
        if is_new { line } else { Line::Duplicate }
    }

    fn is_new_audit(&mut self, run: u64, sequence: u64) -> bool {
        let before = self.spans.range_mut(..=(run, sequence)).next_back();
        let before = before.filter(|((own, _), _)| *own == run);
        let next = sequence.saturating_add(1);
        let first = match before {
            Some((_, last)) if *last >= sequence => return false,
            Some(((_, first), last)) if last.saturating_add(1) == sequence => {
                *last = sequence;
                *first
            }
            Some(_) | None => {
                self.spans.insert((run, sequence), sequence);
                sequence
            }
        };
        if let Some(last) = self.spans.remove(&(run, next)) {
            self.spans.insert((run, first), last);
        }
        if self.spans.len() > MAX_SPANS {
            self.spans.pop_first();
        }
        true
    }

    fn is_new_request(&mut self, sample: &Sample<'_>, id: RequestId) -> bool {
        let Some(time) = sample.time else {
            return true;
        };
        let caller = &sample.caller;
        let who = (&caller.user, &caller.executable);
        let what = (&sample.method, &sample.target, sample.status);
        let digest = self.hasher.hash_one((time, id, who, what));
        if self.requests.len() >= MAX_REQUESTS {
            return !self.requests.contains(&digest);
        }
        self.requests.insert(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_line;
    use super::*;

    #[test]
    fn audit_records_are_told_once_in_any_order() {
        let mut told = Told::default();
        for sequence in [5, 1, 2, 9, 4, 3, 6, 7, 8] {
            assert!(told.is_new_audit(1, sequence), "{sequence}");
            assert!(told.is_new_audit(2, sequence), "{sequence}");
        }
        assert_eq!(told.spans.len(), 2);
        for sequence in 1..10 {
            assert!(!told.is_new_audit(1, sequence), "{sequence}");
        }
        assert!(told.is_new_audit(1, 10) && told.is_new_audit(1, 0));
        assert!(told.is_new_audit(1, u64::MAX) && !told.is_new_audit(1, u64::MAX));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut told = Told::default();
        for sequence in 0..70_000 {
            assert!(told.is_new_audit(1, 2 * sequence));
        }
        assert_eq!(told.spans.len(), MAX_SPANS);
    }

    #[test]
    fn line_of_a_connection_log_is_told_once_and_the_next_run_is_another() {
        let record = r#"{"method":"GET","url":"/a","ip":"169.254.169.254","port":80,"userName":"a","processFullPath":"/b"}"#;
        let line = |time: &str| format!("2026-11-23T10:45:{time} [INFO]    1[1] - {record}");
        let mut told = Told::default();
        let mut is_told = |line: &str| told.take(read_line(line.as_bytes())) == Line::Duplicate;
        assert!(!is_told(&line("58.054")) && is_told(&line("58.054")));
        assert!(!is_told(&line("58.055")));
        // Without a time, two records that look alike may be two requests.
        assert!(!is_told(record) && !is_told(record));
    }
}
