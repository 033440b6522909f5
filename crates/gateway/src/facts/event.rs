//! What will happen to a machine: maintenance that its guest is told about beforehand.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One event of the future.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledEvent {
    /// Names it; an event with another id is another event.
    pub id: Uuid,
    /// What it does to the machines.
    pub kind: EventKind,
    /// The names of the machines.
    pub resources: Vec<String>,
    /// Who wants it.
    pub source: EventSource,
    /// What people are told.
    pub description: String,
    /// How long it interrupts, in seconds; -1 where nobody knows.
    pub duration_seconds: i32,
    /// From when the guest could first have read of it until it starts by itself, in seconds.
    pub notice_seconds: u32,
    /// How long it stays in the list once it has started, in seconds.
    pub started_seconds: u32,
}

/// What an event does to a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum EventKind {
    /// Pauses it for seconds.
    Freeze,
    /// Starts it anew.
    Reboot,
    /// Moves it to another host.
    Redeploy,
    /// Takes a spot machine away.
    Preempt,
    /// Deletes it.
    Terminate,
}

impl EventKind {
    /// Returns the least notice that the platform gives, in seconds.
    #[must_use]
    pub const fn notice_seconds(self) -> u32 {
        match self {
            Self::Freeze | Self::Reboot => 15 * 60,
            Self::Redeploy => 10 * 60,
            Self::Preempt => 30,
            Self::Terminate => 5 * 60,
        }
    }
}

/// Who wants an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum EventSource {
    /// The cloud.
    #[default]
    Platform,
    /// The machine's owner.
    User,
}
