//! What was seen of something: how often, when, and one example.

use std::sync::Arc;

use jiff::Timestamp;

use super::sample::{Sample, Verdict};

/// What was seen of something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    pub(super) count: u64,
    pub(super) withheld: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    pub(super) example: Option<Arc<str>>,
}

impl Evidence {
    pub(super) fn add(&mut self, sample: &Sample<'_>, example: &Arc<str>) {
        self.merge(&Self {
            count: sample.count,
            withheld: if sample.verdict == Verdict::Withheld {
                sample.count
            } else {
                0
            },
            first: sample.time,
            last: sample.time,
            example: Some(Arc::clone(example)),
        });
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.withheld = self.withheld.saturating_add(other.withheld);
        self.first = earliest(self.first, other.first);
        self.last = self.last.max(other.last);
        // The smallest example, so that the order of the samples makes no difference.
        let examples = [&self.example, &other.example];
        self.example = examples.into_iter().flatten().min().cloned();
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    [a, b].into_iter().flatten().min()
}
