//! What one machine was told of its events: a document that changes with time, approvals and the machine file.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::http_date;
use crate::emulator::instance::since::{Since, prune};
use crate::facts::{EventKind, ScheduledEvent};

/// The fields of an event that came after the first version.
const FIELDS: [Since; 3] = [
    ("Description", "2019-04-01"),
    ("EventSource", "2019-08-01"),
    ("DurationInSeconds", "2020-07-01"),
];

/// What a machine was told.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Rises with every change of what is shown.
    incarnation: u64,
    shown: Vec<Value>,
    courses: HashMap<Uuid, Course>,
}

/// How far an event has come.
#[derive(Clone, Copy, Debug)]
struct Course {
    seen: Timestamp,
    approved: Option<Timestamp>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            incarnation: 1,
            shown: Vec::new(),
            courses: HashMap::new(),
        }
    }
}

impl Ledger {
    /// Brings what is shown up to the time and to the machine's present events.
    pub(super) fn advance(&mut self, events: &[ScheduledEvent], now: Timestamp) {
        self.courses
            .retain(|id, _| events.iter().any(|event| event.id == *id));
        let mut shown = Vec::new();
        for event in events {
            let course = self.courses.entry(event.id).or_insert(Course {
                seen: now,
                approved: None,
            });
            shown.extend(course.show(event, now));
        }
        if shown != self.shown {
            self.shown = shown;
            self.incarnation += 1;
        }
    }

    /// Approves all of these events, or none and names one that there is not.
    pub(super) fn approve(&mut self, ids: &[Uuid], now: Timestamp) -> Result<(), Uuid> {
        if let Some(unknown) = ids.iter().find(|id| !self.courses.contains_key(id)) {
            return Err(*unknown);
        }
        for id in ids {
            if let Some(course) = self.courses.get_mut(id) {
                course.approved.get_or_insert(now);
            }
        }
        Ok(())
    }

    /// Returns the document as a version knows it.
    pub(super) fn document(&self, version: &str) -> Value {
        let known = self.shown.iter().filter(|event| is_known(event, version));
        let events: Vec<_> = known
            .cloned()
            .map(|mut event| {
                prune(&mut event, &FIELDS, version);
                event
            })
            .collect();
        json!({ "DocumentIncarnation": self.incarnation, "Events": events })
    }
}

impl Course {
    /// Returns the event as its machine is told now; none once it is over.
    fn show(self, event: &ScheduledEvent, now: Timestamp) -> Option<Value> {
        let notice = seconds(event.notice_seconds);
        let by_notice = now.duration_since(self.seen) - notice;
        let by_approval = self
            .approved
            .map(|approved| now.duration_since(approved).max(SignedDuration::ZERO));
        let running = by_approval.map_or(by_notice, |time| time.max(by_notice));
        if running >= seconds(event.started_seconds) && !running.is_negative() {
            return None;
        }
        let (status, not_before) = if running.is_negative() {
            let start = self.seen.checked_add(notice).unwrap_or(Timestamp::MAX);
            ("Scheduled", http_date(start))
        } else {
            ("Started", String::new())
        };
        Some(json!({
            "EventId": event.id.to_string().to_uppercase(),
            "EventStatus": status,
            "EventType": event.kind,
            "ResourceType": "VirtualMachine",
            "Resources": event.resources,
            "NotBefore": not_before,
            "Description": event.description,
            "EventSource": event.source,
            "DurationInSeconds": event.duration_seconds,
        }))
    }
}

fn seconds(number: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(number))
}

/// Returns whether a version has events of this type.
fn is_known(event: &Value, version: &str) -> bool {
    let is = |kind: EventKind| event.get("EventType") == Some(&json!(kind));
    match version {
        "2017-08-01" => !is(EventKind::Preempt) && !is(EventKind::Terminate),
        "2017-11-01" => !is(EventKind::Terminate),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::EventSource;

    const fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn event(number: u128, kind: EventKind) -> ScheduledEvent {
        ScheduledEvent {
            id: id(number),
            kind,
            resources: vec!["web".to_owned()],
            source: EventSource::Platform,
            description: "test".to_owned(),
            duration_seconds: 9,
            notice_seconds: 900,
            started_seconds: 60,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_683_289 + second).unwrap()
    }

    /// Returns incarnation and status at a second.
    fn look(ledger: &mut Ledger, events: &[ScheduledEvent], second: i64) -> (u64, Vec<String>) {
        ledger.advance(events, at(second));
        let shown = &ledger.shown;
        let status = |event: &Value| event["EventStatus"].as_str().unwrap().to_owned();
        (ledger.incarnation, shown.iter().map(status).collect())
    }

    #[test]
    fn event_starts_when_its_notice_is_over_and_leaves_the_list() {
        let (mut ledger, events) = (Ledger::default(), [event(1, EventKind::Reboot)]);
        assert_eq!(look(&mut ledger, &[], 0), (1, vec![]));
        assert_eq!(look(&mut ledger, &events, 5), (2, vec!["Scheduled".into()]));
        assert_eq!(ledger.shown[0]["NotBefore"], http_date(at(905)));
        assert_eq!(look(&mut ledger, &events, 904).0, 2);
        assert_eq!(look(&mut ledger, &events, 905), (3, vec!["Started".into()]));
        assert_eq!(ledger.shown[0]["NotBefore"], "");
        assert_eq!(look(&mut ledger, &events, 965), (4, vec![]));
        assert_eq!(look(&mut ledger, &events, 9999), (4, vec![]));
    }

    #[test]
    fn approval_starts_an_event_at_once_and_only_once() {
        let (mut ledger, events) = (Ledger::default(), [event(1, EventKind::Freeze)]);
        look(&mut ledger, &events, 0);
        ledger.approve(&[id(1)], at(10)).unwrap();
        assert_eq!(look(&mut ledger, &events, 10), (3, vec!["Started".into()]));
        ledger.approve(&[id(1)], at(60)).unwrap();
        assert_eq!(look(&mut ledger, &events, 70), (4, vec![]));
        ledger.approve(&[id(1)], at(71)).unwrap();
    }

    #[test]
    fn approval_of_an_unknown_event_approves_no_other() {
        let events = [event(1, EventKind::Freeze), event(2, EventKind::Freeze)];
        let mut ledger = Ledger::default();
        look(&mut ledger, &events, 0);
        assert_eq!(ledger.approve(&[id(1), id(3)], at(1)), Err(id(3)));
        assert_eq!(look(&mut ledger, &events, 1).0, 2);
    }

    #[test]
    fn event_that_the_owner_takes_back_is_gone_and_may_come_again() {
        let (mut ledger, events) = (Ledger::default(), [event(1, EventKind::Reboot)]);
        look(&mut ledger, &events, 0);
        assert_eq!(look(&mut ledger, &[], 1), (3, vec![]));
        look(&mut ledger, &events, 2000);
        assert_eq!(ledger.shown[0]["NotBefore"], http_date(at(2900)));
    }

    #[test]
    fn version_shows_the_fields_and_types_that_it_has() {
        let events = [event(1, EventKind::Preempt), event(2, EventKind::Terminate)];
        let mut ledger = Ledger::default();
        look(&mut ledger, &events, 0);
        let shown = |version| {
            ledger.document(version)["Events"]
                .as_array()
                .unwrap()
                .clone()
        };
        assert_eq!(shown("2017-08-01").len(), 0);
        assert_eq!(shown("2017-11-01").len(), 1);
        assert!(shown("2019-01-01")[0].get("Description").is_none());
        assert!(shown("2019-04-01")[0].get("EventSource").is_none());
        assert!(shown("2019-08-01")[0].get("DurationInSeconds").is_none());
        assert_eq!(shown("2020-07-01")[1]["DurationInSeconds"], 9);
    }
}
