//! The store in memory: what every store must do, in the fewest words; for tests and as their measure.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

use super::observation::{
    Filter, MachineStatus, Pruned, Retention, Sighting, StoredRecord, StoredStatus,
};
use super::{
    ActivityEntry, ActivityQuery, Batch, BatchOutcome, Change, CommitError, Committed, Document,
    Key, ListQuery, Revision, Slice, Store, StoreError, StoredKey, Touched, Write,
};

/// Keeps everything until it is dropped.
#[derive(Debug)]
pub struct MemoryStore {
    content: Mutex<Content>,
    newest: watch::Sender<Revision>,
}

#[derive(Debug, Default)]
struct Content {
    documents: BTreeMap<Key, Document>,
    touched: BTreeMap<Key, (Revision, bool)>,
    activity: Vec<ActivityEntry>,
    entries: u64,
    keys: BTreeMap<String, StoredKey>,
    batches: BTreeMap<(String, String), Timestamp>,
    sightings: BTreeMap<String, Sighting>,
    records: BTreeMap<u64, StoredRecord>,
    arrivals: u64,
    statuses: BTreeMap<String, StoredStatus>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            content: Mutex::default(),
            newest: watch::Sender::new(Revision::default()),
        }
    }
}

impl MemoryStore {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Cuts a list after `limit` items and names where it goes on.
fn cut<T>(
    mut items: impl Iterator<Item = T>,
    limit: usize,
    name: impl Fn(&T) -> String,
) -> Slice<T> {
    let taken: Vec<T> = items.by_ref().take(limit.max(1)).collect();
    let next = items.next().and_then(|_| taken.last().map(name));
    Slice { items: taken, next }
}

/// Reads the number that a list goes on after.
fn number(after: Option<&str>) -> Result<Option<u64>, StoreError> {
    let parse = |text: &str| text.parse().map_err(|_not_a_number| StoreError::Cursor);
    after.map(parse).transpose()
}

impl Content {
    fn apply(&mut self, write: Write, revision: Revision, time: Timestamp) {
        match write {
            Write::Put {
                key, body, expires, ..
            } => {
                let created = self.documents.get(&key).map_or(time, |old| old.created);
                let document = Document {
                    key: key.clone(),
                    body,
                    revision,
                    created,
                    updated: time,
                    expires,
                };
                self.documents.insert(key.clone(), document);
                self.touched.insert(key, (revision, false));
            }
            Write::Delete { key, .. } => {
                if self.documents.remove(&key).is_some() {
                    self.touched.insert(key, (revision, true));
                }
            }
            Write::Require { .. } => {}
        }
    }

    fn take(&mut self, batch: Batch) -> BatchOutcome {
        let id = (batch.source, batch.id);
        if self.batches.contains_key(&id) {
            return BatchOutcome::Duplicate;
        }
        self.batches.insert(id, batch.received);
        for record in batch.records {
            let (key, time) = (record.sighting_key(), record.time());
            let sighting = self.sightings.entry(key.id()).or_insert_with(|| Sighting {
                id: key.id(),
                key,
                count: 0,
                first_seen: time,
                last_seen: time,
            });
            sighting.count += 1;
            sighting.first_seen = sighting.first_seen.min(time);
            sighting.last_seen = sighting.last_seen.max(time);
            self.arrivals += 1;
            let stored = StoredRecord {
                sequence: self.arrivals,
                received: batch.received,
                record,
            };
            self.records.insert(self.arrivals, stored);
        }
        for status in batch.statuses {
            self.keep(status, batch.received);
        }
        BatchOutcome::Taken
    }

    /// Keeps a status unless it has a newer one, by the agent's time.
    fn keep(&mut self, status: MachineStatus, received: Timestamp) {
        let known = self.statuses.get(&status.machine);
        if known.is_some_and(|known| known.status.status.time > status.status.time) {
            return;
        }
        let machine = status.machine.clone();
        self.statuses
            .insert(machine, StoredStatus { received, status });
    }

    fn prune(&mut self, retention: &Retention, now: Timestamp) -> Pruned {
        let is_expired = |document: &Document| document.expires.is_some_and(|at| at <= now);
        let expired: Vec<Key> = self
            .documents
            .values()
            .filter(|document| is_expired(document))
            .map(|document| document.key.clone())
            .collect();
        for key in &expired {
            self.documents.remove(key);
            self.touched.remove(key);
        }
        let before = (
            self.records.len(),
            self.sightings.len(),
            self.activity.len(),
            self.batches.len(),
        );
        self.records
            .retain(|_, record| record.received >= retention.records_before);
        while self.records.len() as u64 > retention.max_records {
            self.records.pop_first();
        }
        self.sightings
            .retain(|_, sighting| sighting.last_seen >= retention.sightings_before);
        self.activity
            .retain(|entry| entry.time >= retention.activity_before);
        self.batches
            .retain(|_, received| *received >= retention.batches_before);
        Pruned {
            documents: expired.len() as u64,
            records: (before.0 - self.records.len()) as u64,
            sightings: (before.1 - self.sightings.len()) as u64,
            activity: (before.2 - self.activity.len()) as u64,
            batches: (before.3 - self.batches.len()) as u64,
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn read(&self, key: &Key) -> Result<Option<Document>, StoreError> {
        Ok(self.content().documents.get(key).cloned())
    }

    async fn list(&self, query: &ListQuery) -> Result<Slice<Document>, StoreError> {
        let content = self.content();
        let after = query.after.clone().unwrap_or_default();
        let from = Key::new(query.kind, after.max(query.prefix.clone()));
        let found = content
            .documents
            .range(from..)
            .map(|(_, document)| document)
            .take_while(|document| {
                document.key.kind == query.kind && document.key.id.starts_with(&query.prefix)
            })
            .filter(|document| query.after.as_ref() != Some(&document.key.id))
            .cloned();
        Ok(cut(found, query.limit, |document| document.key.id.clone()))
    }

    async fn commit(&self, change: Change) -> Result<Committed, CommitError> {
        let mut content = self.content();
        for write in &change.writes {
            let found = content
                .documents
                .get(write.key())
                .map(|found| found.revision);
            if !write.expected().admits(found) {
                return Err(CommitError::Conflict {
                    key: write.key().clone(),
                    found,
                });
            }
        }
        let revision = Revision(self.newest.borrow().0 + 1);
        for write in change.writes {
            content.apply(write, revision, change.time);
        }
        for activity in change.activity {
            content.entries += 1;
            let entry = ActivityEntry {
                sequence: content.entries,
                time: change.time,
                activity,
            };
            content.activity.push(entry);
        }
        self.newest.send_replace(revision);
        Ok(Committed { revision })
    }

    async fn touched(&self, after: Revision, limit: usize) -> Result<Vec<Touched>, StoreError> {
        let content = self.content();
        let newer = content
            .touched
            .iter()
            .filter(|(_, (revision, _))| *revision > after);
        let mut touched: Vec<Touched> = newer
            .map(|(key, &(revision, is_deleted))| Touched {
                key: key.clone(),
                revision,
                is_deleted,
            })
            .collect();
        touched.sort_by(|a, b| (a.revision, &a.key).cmp(&(b.revision, &b.key)));
        // A commit is never cut in two: what follows is asked for by its revision.
        let end = touched.get(limit.max(1) - 1).map(|last| last.revision);
        touched.retain(|one| end.is_none_or(|end| one.revision <= end));
        Ok(touched)
    }

    fn newest(&self) -> watch::Receiver<Revision> {
        self.newest.subscribe()
    }

    async fn activity(&self, query: &ActivityQuery) -> Result<Slice<ActivityEntry>, StoreError> {
        let content = self.content();
        let after = number(query.after.as_deref())?;
        let found = content
            .activity
            .iter()
            .rev()
            .filter(|entry| after.is_none_or(|after| entry.sequence < after))
            .filter(|entry| query.admits(entry))
            .cloned();
        Ok(cut(found, query.limit, |entry| entry.sequence.to_string()))
    }

    async fn load_key(&self, machine: &str) -> Result<Option<StoredKey>, StoreError> {
        Ok(self.content().keys.get(machine).cloned())
    }

    async fn save_key(
        &self,
        machine: &str,
        key: &StoredKey,
        replaces: Option<&str>,
    ) -> Result<bool, StoreError> {
        let mut content = self.content();
        let present = content.keys.get(machine).map(|key| key.id.as_str());
        if present != replaces {
            return Ok(false);
        }
        content.keys.insert(machine.to_owned(), key.clone());
        Ok(true)
    }

    async fn ingest(&self, batches: Vec<Batch>) -> Result<Vec<BatchOutcome>, StoreError> {
        let mut content = self.content();
        Ok(batches
            .into_iter()
            .map(|batch| content.take(batch))
            .collect())
    }

    async fn sightings(
        &self,
        filter: &Filter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Slice<Sighting>, StoreError> {
        let content = self.content();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found = content
            .sightings
            .range::<str, _>((from, Bound::Unbounded))
            .map(|(_, sighting)| sighting)
            .filter(|sighting| filter.admits_sighting(sighting))
            .cloned();
        Ok(cut(found, limit, |sighting| sighting.id.clone()))
    }

    async fn records(
        &self,
        filter: &Filter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Slice<StoredRecord>, StoreError> {
        let content = self.content();
        let after = number(after)?.unwrap_or(0);
        let found = content
            .records
            .range(after.saturating_add(1)..)
            .map(|(_, record)| record)
            .filter(|record| filter.admits_record(record))
            .cloned();
        Ok(cut(found, limit, |record| record.sequence.to_string()))
    }

    async fn statuses(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Slice<StoredStatus>, StoreError> {
        let content = self.content();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = content.statuses.range::<str, _>((from, Bound::Unbounded));
        let found = range.map(|(_, status)| status.clone());
        Ok(cut(found, limit, |status| status.status.machine.clone()))
    }

    async fn status(&self, machine: &str) -> Result<Option<StoredStatus>, StoreError> {
        Ok(self.content().statuses.get(machine).cloned())
    }

    async fn prune(&self, retention: &Retention, now: Timestamp) -> Result<Pruned, StoreError> {
        Ok(self.content().prune(retention, now))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::{Expected, Kind};

    fn put(id: &str, expected: Expected) -> Change {
        Change::at(Timestamp::UNIX_EPOCH).write(Write::Put {
            key: Key::new(Kind::Gallery, id),
            expected,
            body: json!({ "id": id }),
            expires: None,
        })
    }

    #[tokio::test]
    async fn change_that_expects_something_else_changes_nothing() {
        let store = MemoryStore::default();
        let first = store.commit(put("a", Expected::Absent)).await.unwrap();
        let both = put("b", Expected::Absent).write(Write::Delete {
            key: Key::new(Kind::Gallery, "a"),
            expected: Expected::Revision(Revision(first.revision.0 + 7)),
        });
        let refused = store.commit(both).await.unwrap_err();
        assert!(matches!(refused, CommitError::Conflict { .. }), "{refused}");
        let all = store.list(&ListQuery::of(Kind::Gallery, 10)).await.unwrap();
        assert_eq!((all.items.len(), all.next), (1, None));
        assert_eq!(*store.newest().borrow(), first.revision);
    }

    #[tokio::test]
    async fn list_goes_on_where_its_part_ended() {
        let store = MemoryStore::default();
        for id in ["a/1", "a/2", "a/3", "b/1"] {
            store.commit(put(id, Expected::Absent)).await.unwrap();
        }
        let query = ListQuery::of(Kind::Gallery, 2).below("a/");
        let first = store.list(&query).await.unwrap();
        assert_eq!(first.next.as_deref(), Some("a/2"));
        let second = store.list(&query.after(first.next)).await.unwrap();
        let ids: Vec<_> = second.items.iter().map(|one| one.key.id.as_str()).collect();
        assert_eq!((ids, second.next), (vec!["a/3"], None));
    }
}
