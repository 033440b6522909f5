//! How one caller uses one path: by the values of its parameters, until they are too many to tell apart.

use std::collections::BTreeMap;

use latchkey_protocol::EndpointKind;

use super::bounded::Counted;
use super::evidence::Evidence;
use super::parameter::is_deciding;
use super::sample::Sample;
use super::shape::{Constraints, Shape, cut};

/// What one set of values weighs, whose text has a limit of its own; besides path and caller.
const VALUES_WEIGHT: usize = 900;

/// What a parameter that is left open weighs, at each set of values.
const FREE_WEIGHT: usize = 48;

/// How many sets of values of one use are kept apart.
pub(super) const MAX_VALUES: usize = 32;

/// How many parameters that are left open are kept of one use.
pub(super) const MAX_FREE: usize = 16;

/// How much is kept of an open parameter's name, in bytes.
const FREE_NAME_BYTES: usize = 64;

/// Why a parameter is open that had too many values to tell apart.
pub(super) const MANY_VALUES: &str = "it had many values";

/// Which parameters are still told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Detail {
    #[default]
    All,
    Deciding,
    None,
}

impl Detail {
    const fn coarser(self) -> Self {
        match self {
            Self::All => Self::Deciding,
            Self::Deciding | Self::None => Self::None,
        }
    }

    fn keeps(self, endpoint: EndpointKind, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Deciding => is_deciding(endpoint, name),
            Self::None => false,
        }
    }
}

/// The requests of one use, by the values of their parameters.
#[derive(Debug, Default)]
pub(super) struct Use {
    pub(super) detail: Detail,
    pub(super) by_values: BTreeMap<Constraints, Evidence>,
    /// Parameters that are left open, and why.
    pub(super) free: BTreeMap<Box<str>, &'static str>,
    /// What path and caller weigh, in bytes.
    pub(super) key_weight: usize,
    /// How many sets of values there were before some were counted together.
    merged: usize,
}

impl Counted for Use {
    fn count(&self) -> u64 {
        self.by_values.values().map(|evidence| evidence.count).sum()
    }

    // Of sets of values that were told apart once only the number counts, which does not depend on the
    // order in which they came.
    fn weight(&self) -> usize {
        let sets = self.merged + self.by_values.len();
        sets * (VALUES_WEIGHT + self.key_weight + self.free.len() * FREE_WEIGHT)
    }
}

impl Use {
    pub(super) fn add(&mut self, endpoint: EndpointKind, sample: &Sample<'_>, shape: &Shape) {
        for (name, why) in &shape.free {
            self.leave_open(name, why);
        }
        if self.detail == Detail::All {
            // The usual case needs no copy of what is known already.
            if let Some(evidence) = self.by_values.get_mut(&shape.constraints) {
                evidence.add(sample, &shape.example);
                return;
            }
        }
        let detail = self.detail;
        self.note_dropped(endpoint, detail, &shape.constraints);
        let values = reduced(&shape.constraints, |name| detail.keeps(endpoint, name));
        let evidence = self.by_values.entry(values).or_default();
        evidence.add(sample, &shape.example);
        while self.by_values.len() > MAX_VALUES {
            self.coarsen(endpoint);
        }
    }

    /// Counts by fewer parameters from now on.
    fn coarsen(&mut self, endpoint: EndpointKind) {
        self.detail = self.detail.coarser();
        self.merged += MAX_VALUES;
        let detail = self.detail;
        let before = std::mem::take(&mut self.by_values);
        for values in before.keys() {
            self.note_dropped(endpoint, detail, values);
        }
        self.by_values = regrouped(&before, |name| detail.keeps(endpoint, name));
    }

    /// Notes the parameters by which nothing is told apart any more.
    fn note_dropped(&mut self, endpoint: EndpointKind, detail: Detail, values: &Constraints) {
        for (name, _) in values {
            if !detail.keeps(endpoint, name) {
                self.leave_open(name, MANY_VALUES);
            }
        }
    }

    fn leave_open(&mut self, name: &str, why: &'static str) {
        if let Some(known) = self.free.get_mut(name) {
            // One of the reasons, whichever came first.
            *known = (*known).min(why);
            return;
        }
        let name = if name.len() <= FREE_NAME_BYTES {
            name.into()
        } else {
            cut(name, FREE_NAME_BYTES).into()
        };
        self.free.entry(name).or_insert(why);
        while self.free.len() > MAX_FREE {
            self.free.pop_last();
        }
    }
}

fn reduced(constraints: &Constraints, keeps: impl Fn(&str) -> bool) -> Constraints {
    let kept = constraints.iter().filter(|(name, _)| keeps(name));
    kept.cloned().collect()
}

/// Returns evidence by fewer parameters.
pub(super) fn regrouped(
    by_values: &BTreeMap<Constraints, Evidence>,
    keeps: impl Fn(&str) -> bool,
) -> BTreeMap<Constraints, Evidence> {
    let mut coarse: BTreeMap<Constraints, Evidence> = BTreeMap::new();
    for (values, evidence) in by_values {
        let merged = coarse.entry(reduced(values, &keeps)).or_default();
        merged.merge(evidence);
    }
    coarse
}
