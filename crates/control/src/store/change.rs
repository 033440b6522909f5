//! A change: documents that are written and deleted together, and who did it why.

use jiff::Timestamp;
use serde_json::Value;

use super::document::{Key, Revision};
use crate::principal::Actor;

/// What is written in one step, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub time: Timestamp,
    /// The documents; none of them twice.
    pub writes: Vec<Write>,
    /// What the activity log says of it.
    pub activity: Vec<NewActivity>,
}

impl Change {
    /// A change of nothing yet.
    #[must_use]
    pub const fn at(time: Timestamp) -> Self {
        Self {
            time,
            writes: Vec::new(),
            activity: Vec::new(),
        }
    }

    /// Adds a write.
    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// Adds an entry of the activity log.
    #[must_use]
    pub fn log(mut self, activity: NewActivity) -> Self {
        self.activity.push(activity);
        self
    }
}

/// What becomes of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// It is made, or replaced.
    Put {
        /// The document.
        key: Key,
        /// How it must be before.
        expected: Expected,
        /// What it says from now on.
        body: Value,
        /// When it is deleted by itself.
        expires: Option<Timestamp>,
    },
    /// It is deleted; nothing happens if it is not there and need not be.
    Delete {
        /// The document.
        key: Key,
        /// How it must be before.
        expected: Expected,
    },
    /// It stays as it is, and must be so for the change to be made.
    Require {
        /// The document.
        key: Key,
        /// How it must be.
        expected: Expected,
    },
}

impl Write {
    /// Returns the document.
    #[must_use]
    pub const fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } | Self::Require { key, .. } => key,
        }
    }

    /// Returns how the document must be before.
    #[must_use]
    pub const fn expected(&self) -> Expected {
        match self {
            Self::Put { expected, .. }
            | Self::Delete { expected, .. }
            | Self::Require { expected, .. } => *expected,
        }
    }
}

/// How a document must be for a change to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// There must be none.
    Absent,
    /// In any way, or not at all.
    Any,
    /// There must be one.
    Present,
    /// As this revision wrote it.
    Revision(Revision),
}

impl Expected {
    /// Returns whether a document of this revision, or none, is as expected.
    #[must_use]
    pub fn admits(self, found: Option<Revision>) -> bool {
        match self {
            Self::Absent => found.is_none(),
            Self::Any => true,
            Self::Present => found.is_some(),
            Self::Revision(revision) => found == Some(revision),
        }
    }
}

/// What a commit made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The revision of everything it wrote.
    pub revision: Revision,
}

/// A document that was written or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The document.
    pub key: Key,
    /// By which commit.
    pub revision: Revision,
    /// Whether it is there.
    pub is_deleted: bool,
}

/// An entry that the activity log gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewActivity {
    /// Who.
    pub actor: Actor,
    /// Did what: `profile-version.create`, `rollout.start`.
    pub action: String,
    /// To what: a resource id or a machine.
    pub target: String,
    /// How it was.
    pub before: Option<Value>,
    /// How it is.
    pub after: Option<Value>,
    /// Why, in the words of who did it.
    pub reason: Option<String>,
}

/// An entry of the activity log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityEntry {
    /// Counts entries from 1; an entry that follows has a larger one.
    pub sequence: u64,
    /// When.
    pub time: Timestamp,
    /// What.
    pub activity: NewActivity,
}

/// Which entries are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityQuery {
    /// By whom: the actor's id.
    pub actor: Option<String>,
    /// What the action's word begins with.
    pub action: Option<String>,
    /// What the target begins with.
    pub target: Option<String>,
    /// From this time on.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// The `next` of the part before.
    pub after: Option<String>,
    /// At most so many, at least one.
    pub limit: usize,
}

impl ActivityQuery {
    /// Returns whether an entry is one of those.
    #[must_use]
    pub fn admits(&self, entry: &ActivityEntry) -> bool {
        let activity = &entry.activity;
        let begins =
            |text: &str, with: Option<&str>| with.is_none_or(|with| text.starts_with(with));
        let is_by = self
            .actor
            .as_deref()
            .is_none_or(|id| id == activity.actor.id);
        is_by
            && begins(&activity.action, self.action.as_deref())
            && begins(&activity.target, self.target.as_deref())
            && self.since.is_none_or(|since| entry.time >= since)
            && self.until.is_none_or(|until| entry.time < until)
    }
}
