//! Decisions counted by caller, endpoint and verdict, with how often each happens now.
//!
//! Memory is bounded: beyond [`MAX_ROWS`] the rows that were not seen for the longest go, and are
//! counted. The totals count everything.

use std::collections::HashMap;

use jiff::Timestamp;
use latchkey_protocol::Reason;
use latchkey_record::AuditRecord;

use super::columns::cut;
use super::decision::{self, Verdict};
use super::rate::Recent;
use crate::visible::visible;

/// How many rows are kept.
const MAX_ROWS: usize = 2_048;
/// How long a text of a row is at most, in columns; no window is wider.
const MAX_COLUMNS: usize = 512;

/// What a row is about; its texts are visible ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) caller: String,
    pub(super) endpoint: String,
    pub(super) verdict: Verdict,
    pub(super) reason: Option<Reason>,
}

/// What was seen of one key.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) count: u64,
    pub(super) last: Timestamp,
    pub(super) last_request: String,
    recent: Recent,
    /// The number of the last record about it, which orders rows by when they were seen.
    seen: u64,
}

impl Row {
    /// Returns how many there were per second of late.
    pub(super) fn rate(&self, now: Timestamp) -> f64 {
        self.recent.rate(now)
    }
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub(super) struct Tally {
    rows: HashMap<Key, Row>,
    totals: HashMap<Verdict, u64>,
    recent: Recent,
    added: u64,
    last: Option<(String, u64)>,
    /// Lines that are no records.
    pub(super) unreadable: u64,
    /// Records that were written, by their numbers, and not seen.
    pub(super) missing: u64,
    /// Rows that had to go.
    pub(super) dropped_rows: u64,
}

impl Tally {
    pub(super) fn add(&mut self, record: &AuditRecord) {
        self.count_missing(record);
        let verdict = Verdict::of(record);
        *self.totals.entry(verdict).or_default() += 1;
        self.added += 1;
        self.recent.add(record.time);
        let shown = |text: &str| cut(&visible(text), MAX_COLUMNS);
        let endpoint = record.endpoint.as_deref().or(record.destination.as_deref());
        let key = Key {
            caller: shown(&decision::caller_in_words(record)),
            endpoint: shown(endpoint.unwrap_or("unknown")),
            verdict,
            reason: decision::reason(record),
        };
        let row = self.rows.entry(key).or_insert_with(|| Row {
            count: 0,
            last: record.time,
            last_request: String::new(),
            recent: Recent::default(),
            seen: 0,
        });
        row.count += 1;
        row.seen = self.added;
        row.last = row.last.max(record.time);
        row.last_request = shown(&decision::request_in_words(record));
        row.recent.add(record.time);
        if self.rows.len() > MAX_ROWS {
            self.drop_oldest();
        }
    }

    /// Returns the rows, the most active first, and of those that rest the newest.
    pub(super) fn rows(&self, now: Timestamp) -> Vec<(&Key, &Row)> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by(|(left_key, left), (right_key, right)| {
            let by_rate = right.rate(now).total_cmp(&left.rate(now));
            let by_time = || right.last.cmp(&left.last);
            let by_name = || left_key.caller.cmp(&right_key.caller);
            by_rate.then_with(by_time).then_with(by_name)
        });
        rows
    }

    pub(super) fn total(&self, verdict: Verdict) -> u64 {
        self.totals.get(&verdict).copied().unwrap_or_default()
    }

    pub(super) fn rate(&self, now: Timestamp) -> f64 {
        self.recent.rate(now)
    }

    /// A run of the agent counts its records from 1 without a gap. The first one seen may be any.
    fn count_missing(&mut self, record: &AuditRecord) {
        let expected = match &self.last {
            Some((run, sequence)) if *run == record.run => sequence + 1,
            Some(_) => 1,
            None => record.sequence,
        };
        self.missing += record.sequence.saturating_sub(expected);
        self.last = Some((record.run.clone(), record.sequence));
    }

    /// Drops a quarter of the rows at once, so that callers without end cost little each.
    fn drop_oldest(&mut self) {
        let mut seen: Vec<_> = self.rows.values().map(|row| row.seen).collect();
        seen.sort_unstable();
        let limit = seen.get(MAX_ROWS / 4).copied().unwrap_or_default();
        let before = self.rows.len();
        self.rows.retain(|_, row| row.seen > limit);
        self.dropped_rows += u64::try_from(before - self.rows.len()).unwrap_or(u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use latchkey_record::audit::Outcome;

    use super::super::sample::{at, record};
    use super::*;

    /// Returns caller, verdict and count of each row.
    fn seen(tally: &Tally, second: i64) -> Vec<(String, &'static str, u64)> {
        let rows = tally.rows(at(second)).into_iter();
        rows.map(|(key, row)| (key.caller.clone(), key.verdict.as_str(), row.count))
            .collect()
    }

    #[test]
    fn requests_of_one_caller_with_one_verdict_are_one_row() {
        let mut tally = Tally::default();
        for sequence in 1..=3 {
            tally.add(&record(sequence, "app", 0));
        }
        tally.add(&AuditRecord {
            outcome: Outcome::Refused,
            reason: Some(Reason::CallerNotAssigned),
            ..record(4, "app", 0)
        });
        let caller = || "app /usr/bin/curl".to_owned();
        let expected = [(caller(), "allow", 3), (caller(), "deny", 1)];
        let mut rows = seen(&tally, 0);
        rows.sort_unstable();
        assert_eq!(rows, expected);
        assert_eq!(
            Verdict::ALL.map(|verdict| tally.total(verdict)),
            [3, 0, 1, 0]
        );
    }

    #[test]
    fn what_audit_let_through_is_audit_and_what_was_not_decided_is_error() {
        let let_through = AuditRecord {
            would_refuse: Some(Reason::CallerNotAssigned),
            ..record(1, "app", 0)
        };
        assert_eq!(Verdict::of(&let_through), Verdict::Audit);
        let gone = AuditRecord {
            outcome: Outcome::Abandoned,
            mode: None,
            ..record(1, "app", 0)
        };
        assert_eq!(Verdict::of(&gone), Verdict::Error);
    }

    #[test]
    fn active_rows_come_first_then_the_newest() {
        let mut tally = Tally::default();
        tally.add(&record(1, "old", 0));
        tally.add(&record(2, "newer", 5));
        tally.add(&record(3, "busy", 30));
        tally.add(&record(4, "busy", 30));
        tally.add(&record(5, "idle", 30));
        let callers: Vec<_> = seen(&tally, 30).into_iter().map(|row| row.0).collect();
        let expected = ["busy", "idle", "newer", "old"].map(|user| format!("{user} /usr/bin/curl"));
        assert_eq!(callers, expected);
    }

    #[test]
    fn gap_in_the_numbers_of_a_run_is_missing_records() {
        let mut tally = Tally::default();
        // Others were written before it was looked at.
        tally.add(&record(7, "app", 0));
        tally.add(&record(8, "app", 0));
        assert_eq!(tally.missing, 0);
        tally.add(&record(11, "app", 0));
        assert_eq!(tally.missing, 2);
        let next = |sequence| AuditRecord {
            run: "next".to_owned(),
            ..record(sequence, "app", 0)
        };
        tally.add(&next(1));
        assert_eq!(tally.missing, 2);
        tally.add(&next(3));
        assert_eq!(tally.missing, 3);
    }

    #[test]
    fn callers_without_end_take_bounded_memory_and_are_all_counted() {
        let mut tally = Tally::default();
        let many = u64::try_from(MAX_ROWS).unwrap() * 3;
        for number in 1..=many {
            tally.add(&record(number, &format!("user{number}"), 0));
            assert!(tally.rows.len() <= MAX_ROWS);
        }
        let kept = u64::try_from(tally.rows.len()).unwrap();
        assert_eq!(kept + tally.dropped_rows, many);
        assert_eq!(tally.total(Verdict::Allow), many);
        let is_kept = |user: u64| {
            let caller = format!("user{user} /usr/bin/curl");
            tally.rows.keys().any(|key| key.caller == caller)
        };
        assert!(is_kept(many) && !is_kept(1));
    }
}
