//! The scheduled events of a machine file.

use std::collections::BTreeSet;

use latchkey_gateway::facts::{EventKind, EventSource, ScheduledEvent};
use serde::Deserialize;
use uuid::Uuid;

use super::super::problem::Problems;
use super::derived::id_of;

/// How long an event stays in the list once it has started, in seconds.
const STARTED_SECONDS: u32 = 10 * 60;

/// One scheduled event.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventSection {
    /// `Freeze`, `Reboot`, `Redeploy`, `Preempt` or `Terminate`.
    #[serde(rename = "type")]
    kind: EventKind,
    /// Names it; by default derived from the machine, the type and the place in the file.
    id: Option<Uuid>,
    /// The machines; by default this one.
    #[serde(default)]
    resources: Vec<String>,
    /// `Platform` or `User`; by default `Platform`.
    #[serde(default)]
    source: EventSource,
    /// What people are told.
    #[serde(default)]
    description: String,
    /// How long it interrupts; by default -1, for unknown.
    #[serde(default = "unknown_duration")]
    duration_seconds: i32,
    /// From the first time that the guest asks until it starts by itself; by default the
    /// least that the platform gives for the type.
    notice_seconds: Option<u32>,
    /// How long it stays in the list once it has started; by default 600.
    started_seconds: Option<u32>,
}

const fn unknown_duration() -> i32 {
    -1
}

/// Returns the events of the machine with this name.
pub(super) fn resolve(
    sections: &[EventSection],
    name: &str,
    problems: &mut Problems,
) -> Vec<ScheduledEvent> {
    let events: Vec<_> = (0..)
        .zip(sections)
        .map(|(place, section)| section.resolve(name, place))
        .collect();
    let mut seen = BTreeSet::new();
    for (place, event) in events.iter().enumerate() {
        if !seen.insert(event.id) {
            problems.between(
                format!("facts.events.{place}"),
                format!("`facts.events` has two events with id {}", event.id),
            );
        }
    }
    events
}

impl EventSection {
    fn resolve(&self, name: &str, place: usize) -> ScheduledEvent {
        let derived = || id_of(&format!("{name}/{:?}/{place}", self.kind));
        let resources = if self.resources.is_empty() {
            vec![name.to_owned()]
        } else {
            self.resources.clone()
        };
        ScheduledEvent {
            id: self.id.unwrap_or_else(derived),
            kind: self.kind,
            resources,
            source: self.source,
            description: self.description.clone(),
            duration_seconds: self.duration_seconds,
            notice_seconds: self.notice_seconds.unwrap_or(self.kind.notice_seconds()),
            started_seconds: self.started_seconds.unwrap_or(STARTED_SECONDS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_needs_a_type_alone_and_no_two_have_one_id() {
        let section = r#"{ "type": "Redeploy" }"#;
        let text = format!(
            r#"[{section}, {section}, {{ "type": "Reboot", "id": "{}" }}]"#,
            { id_of("web/Redeploy/0") }
        );
        let sections: Vec<EventSection> = serde_json::from_str(&text).unwrap();
        let mut problems = Problems::default();
        let events = resolve(&sections, "web", &mut problems);
        assert_eq!(events[0].notice_seconds, 600);
        assert_eq!(events[0].resources, ["web"]);
        assert_ne!(events[0].id, events[1].id);
        assert_eq!(problems.messages().len(), 1, "{problems:?}");
    }
}
