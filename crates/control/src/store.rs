//! Where control keeps everything: documents with revisions, the activity log, keys, observations.
//!
//! [`Store`] is the seam: `SQLite` for one machine, `PostgreSQL` for a fleet, one set of
//! conformance tests for both and for [`memory::MemoryStore`], which says in the fewest words what
//! they must do. What a call has acknowledged outlives the process and a power failure.

pub mod change;
pub mod document;
pub mod key;
pub mod memory;
pub mod observation;

use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

pub use change::{
    ActivityEntry, ActivityQuery, Change, Committed, Expected, NewActivity, Touched, Write,
};
pub use document::{Document, Key, Kind, ListQuery, Revision};
pub use key::StoredKey;
pub use observation::{Batch, BatchOutcome};

/// The error of a storage engine.
pub type EngineError = Box<dyn Error + Send + Sync>;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine failed; nothing of the call is in force.
    #[error("the store failed to {operation}")]
    Engine {
        /// What it was to do: "read a document".
        operation: &'static str,
        /// What it says.
        #[source]
        source: EngineError,
    },
    /// A stored document is not of the form that its reader knows.
    #[error("the stored document {key} is damaged or of another version")]
    Damaged {
        /// The document.
        key: Key,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A cursor is not one that the store gave.
    #[error("the cursor is not one of this list")]
    Cursor,
}

/// Why a change was not made; nothing of it is in force.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A document is not as the change expects it.
    #[error("{key} is not as expected: it has {found:?}")]
    Conflict {
        /// The document.
        key: Key,
        /// Its revision; nothing when there is none.
        found: Option<Revision>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A part of a list and where it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice<T> {
    /// The items in order.
    pub items: Vec<T>,
    /// What to go on after; nothing at the end.
    pub next: Option<String>,
}

/// Keeps everything. Calls may come from many tasks and, with `PostgreSQL`, many processes.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Returns a document.
    async fn read(&self, key: &Key) -> Result<Option<Document>, StoreError>;

    /// Returns documents of a kind in the order of their ids.
    async fn list(&self, query: &ListQuery) -> Result<Slice<Document>, StoreError>;

    /// Makes all of a change or nothing of it, together with its activity entries.
    async fn commit(&self, change: Change) -> Result<Committed, CommitError>;

    /// Returns what was written or deleted after a revision, the oldest first, each document once
    /// with its newest revision.
    async fn touched(&self, after: Revision, limit: usize) -> Result<Vec<Touched>, StoreError>;

    /// Returns the newest revision, now and after each commit, also of other processes on the same
    /// store; those within a second.
    fn newest(&self) -> watch::Receiver<Revision>;

    /// Returns entries of the activity log, the newest first.
    async fn activity(&self, query: &ActivityQuery) -> Result<Slice<ActivityEntry>, StoreError>;

    /// Returns the latched key of a machine.
    async fn load_key(&self, machine: &str) -> Result<Option<StoredKey>, StoreError>;

    /// Replaces the latched key of a machine, if the present one is the one named by `replaces`.
    /// Returns whether it was.
    async fn save_key(
        &self,
        machine: &str,
        key: &StoredKey,
        replaces: Option<&str>,
    ) -> Result<bool, StoreError>;

    /// Takes batches of what was observed, each whole and once: one that it has is a duplicate.
    async fn ingest(&self, batches: Vec<Batch>) -> Result<Vec<BatchOutcome>, StoreError>;

    /// Returns aggregates in the order of their ids.
    async fn sightings(
        &self,
        filter: &observation::Filter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Slice<observation::Sighting>, StoreError>;

    /// Returns raw records that are still kept, in the order of their arrival.
    async fn records(
        &self,
        filter: &observation::Filter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Slice<observation::StoredRecord>, StoreError>;

    /// Returns the last status of machines, in the order of their ids.
    async fn statuses(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Slice<observation::StoredStatus>, StoreError>;

    /// Returns the last status of a machine.
    async fn status(&self, machine: &str) -> Result<Option<observation::StoredStatus>, StoreError>;

    /// Deletes what has expired and what is beyond the limits of retention; returns how much.
    async fn prune(
        &self,
        retention: &observation::Retention,
        now: Timestamp,
    ) -> Result<observation::Pruned, StoreError>;
}
