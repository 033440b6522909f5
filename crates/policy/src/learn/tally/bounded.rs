//! A bounded table whose content does not depend on the order of what is counted.
//!
//! A full table keeps its smallest keys: one that is among them at the end was among them all the
//! time, so its counts are whole. What is kept out is counted.

use std::collections::BTreeMap;

/// A table that keeps its smallest keys, and counts what it keeps out.
#[derive(Debug)]
pub(in crate::learn) struct Bounded<K, V> {
    pub(super) entries: BTreeMap<K, V>,
    limit: usize,
    overflow: u64,
}

/// What can be counted together.
pub(in crate::learn) trait Counted: Default {
    fn count(&self) -> u64;
}

impl Counted for u64 {
    fn count(&self) -> u64 {
        *self
    }
}

impl<K: Ord, V: Counted> Bounded<K, V> {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            limit,
            overflow: 0,
        }
    }

    pub(super) fn update(&mut self, key: K, count: u64, change: impl FnOnce(&mut V)) {
        if let Some(value) = self.entries.get_mut(&key) {
            change(value);
            return;
        }
        let is_full = self.entries.len() >= self.limit;
        let is_largest = self
            .entries
            .last_key_value()
            .is_some_and(|(last, _)| *last < key);
        if is_full && is_largest {
            self.overflow = self.overflow.saturating_add(count);
            return;
        }
        change(self.entries.entry(key).or_default());
        if self.entries.len() > self.limit {
            let lost = self.entries.pop_last();
            let lost = lost.map_or(0, |(_, value)| value.count());
            self.overflow = self.overflow.saturating_add(lost);
        }
    }

    pub(in crate::learn) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter()
    }

    pub(in crate::learn) const fn overflow(&self) -> u64 {
        self.overflow
    }
}
