//! What is known of the latest requests: a map of bounded size in which the oldest makes room.

use std::collections::BTreeMap;

use super::RequestId;

/// How many requests are kept.
pub(super) const MAX_KEPT: usize = 1024;

/// Values by request. Ids say nothing about age: the agent counts anew at each start.
#[derive(Debug)]
pub(super) struct Recent<T> {
    values: BTreeMap<RequestId, (u64, T)>,
    by_age: BTreeMap<u64, RequestId>,
    added: u64,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            values: BTreeMap::new(),
            by_age: BTreeMap::new(),
            added: 0,
        }
    }
}

impl<T> Recent<T> {
    /// Adds a request and returns what is no longer kept for it: what was known of the same id, or
    /// of the oldest one.
    pub(super) fn insert(&mut self, id: RequestId, value: T) -> Option<T> {
        let gone = self.remove(id).or_else(|| self.make_room());
        self.added += 1;
        self.by_age.insert(self.added, id);
        self.values.insert(id, (self.added, value));
        gone
    }

    pub(super) fn contains(&self, id: RequestId) -> bool {
        self.values.contains_key(&id)
    }

    pub(super) fn get_mut(&mut self, id: RequestId) -> Option<&mut T> {
        self.values.get_mut(&id).map(|(_, value)| value)
    }

    pub(super) fn remove(&mut self, id: RequestId) -> Option<T> {
        let (age, value) = self.values.remove(&id)?;
        self.by_age.remove(&age);
        Some(value)
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    fn make_room(&mut self) -> Option<T> {
        if self.values.len() < MAX_KEPT {
            return None;
        }
        let (_, oldest) = self.by_age.pop_first()?;
        self.values.remove(&oldest).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_makes_room_whatever_its_number() {
        let mut recent = Recent::default();
        // A run of the agent that got far, and the next one, which begins with small numbers.
        for at in 0..1024 {
            assert_eq!(recent.insert((5000 + at, 1), at), None);
        }
        assert_eq!(recent.insert((1, 1), 1), Some(0));
        assert_eq!(recent.insert((2, 1), 2), Some(1));
        assert!(recent.contains((1, 1)) && !recent.contains((5001, 1)));
        assert_eq!(
            (recent.len(), recent.insert((1, 1), 3)),
            (MAX_KEPT, Some(1))
        );
    }
}
