//! A table with a bound on its entries and on what they weigh, whose content does not depend on the
//! order in which they come.
//!
//! It keeps its smallest keys: one that is among them at the end was among them all the time, so what
//! is counted under it is whole. What is kept out is counted.

use std::collections::BTreeMap;

use super::evidence::Evidence;

/// What can be counted together, and weighed.
pub(super) trait Counted: Default {
    /// Returns how many requests it stands for.
    fn count(&self) -> u64;

    /// Returns how many bytes it stands for in all that is made of it. It never shrinks, and depends on
    /// what was counted and not on its order.
    fn weight(&self) -> usize {
        0
    }
}

impl Counted for Evidence {
    fn count(&self) -> u64 {
        self.count
    }
}

impl Counted for u64 {
    fn count(&self) -> u64 {
        *self
    }
}

/// What a table holds at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) entries: usize,
    pub(super) weight: usize,
}

/// A table that keeps its smallest keys, and counts what it keeps out.
#[derive(Debug)]
pub(super) struct Bounded<K, V> {
    entries: BTreeMap<K, V>,
    limit: Limit,
    weight: usize,
    /// The smallest key that was put out: from it on nothing is let in, as its count would not be whole.
    ceiling: Option<K>,
    overflow: u64,
}

impl<K: Ord, V: Counted> Bounded<K, V> {
    pub(super) const fn new(limit: Limit) -> Self {
        Self {
            entries: BTreeMap::new(),
            limit,
            weight: 0,
            ceiling: None,
            overflow: 0,
        }
    }

    pub(super) fn update(&mut self, key: K, count: u64, change: impl FnOnce(&mut V)) {
        if self.ceiling.as_ref().is_some_and(|ceiling| *ceiling <= key) {
            self.overflow = self.overflow.saturating_add(count);
            return;
        }
        let entry = self.entries.entry(key).or_default();
        let before = entry.weight();
        change(entry);
        self.weight = (self.weight + entry.weight()).saturating_sub(before);
        while self.entries.len() > self.limit.entries || self.weight > self.limit.weight {
            self.put_out_largest();
        }
    }

    fn put_out_largest(&mut self) {
        let Some((key, value)) = self.entries.pop_last() else {
            self.weight = 0;
            return;
        };
        self.weight = self.weight.saturating_sub(value.weight());
        self.overflow = self.overflow.saturating_add(value.count());
        self.ceiling = Some(key);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) const fn overflow(&self) -> u64 {
        self.overflow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value that weighs as many bytes as were counted.
    #[derive(Default)]
    struct Heavy(u64);

    impl Counted for Heavy {
        fn count(&self) -> u64 {
            self.0
        }

        fn weight(&self) -> usize {
            usize::try_from(self.0).unwrap()
        }
    }

    fn kept(all: &[(u32, u64)]) -> (Vec<(u32, u64)>, u64) {
        let mut table = Bounded::new(Limit {
            entries: 4,
            weight: 10,
        });
        for (key, count) in all {
            table.update(*key, *count, |value: &mut Heavy| value.0 += count);
        }
        let kept = table.iter().map(|(key, value)| (*key, value.0)).collect();
        (kept, table.overflow())
    }

    #[test]
    fn what_is_kept_fits_is_whole_and_does_not_depend_on_the_order() {
        let mut all = [(3, 4), (1, 2), (2, 3), (1, 3), (5, 1), (4, 1)];
        let expected = (vec![(1, 5), (2, 3)], 6);
        assert_eq!(kept(&all), expected);
        all.reverse();
        assert_eq!(kept(&all), expected);
        all.sort_unstable();
        assert_eq!(kept(&all), expected);
    }
}
