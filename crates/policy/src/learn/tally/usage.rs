//! The requests of one caller for one path, by the values of their parameters.
//!
//! Values that are too many are counted together, for good.

use std::collections::BTreeMap;

use latchkey_protocol::EndpointKind;

use super::bounded::Counted;
use super::evidence::Evidence;
use crate::learn::parameter::is_deciding;
use crate::learn::sample::Sample;
use crate::learn::shape::{Constraints, Shape};

/// How many sets of values of one use are kept apart.
pub(super) const MAX_VALUES: usize = 32;

/// How many parameters that are left open are kept of one use.
pub(super) const MAX_FREE: usize = 16;

/// Which parameters are still told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::learn) enum Detail {
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
pub(in crate::learn) struct Use {
    pub(in crate::learn) detail: Detail,
    pub(in crate::learn) by_values: BTreeMap<Constraints, Evidence>,
    /// Parameters that are left open, and why.
    pub(in crate::learn) free: BTreeMap<Box<str>, &'static str>,
}

impl Counted for Use {
    fn count(&self) -> u64 {
        self.by_values.values().map(|evidence| evidence.count).sum()
    }
}

impl Use {
    pub(super) fn add(&mut self, endpoint: EndpointKind, sample: &Sample<'_>, shape: &Shape) {
        for (name, why) in &shape.free {
            if !self.free.contains_key(name) {
                self.free.insert(name.clone(), why);
            }
        }
        while self.free.len() > MAX_FREE {
            self.free.pop_last();
        }
        if self.detail == Detail::All {
            // The usual case needs no copy of what is known already.
            if let Some(evidence) = self.by_values.get_mut(&shape.constraints) {
                evidence.add(sample, &shape.example);
                return;
            }
        }
        let values = reduced(&shape.constraints, |name| self.detail.keeps(endpoint, name));
        let evidence = self.by_values.entry(values).or_default();
        evidence.add(sample, &shape.example);
        while self.by_values.len() > MAX_VALUES {
            self.detail = self.detail.coarser();
            let detail = self.detail;
            self.by_values = regrouped(&self.by_values, |name| detail.keeps(endpoint, name));
        }
    }
}

fn reduced(constraints: &Constraints, keeps: impl Fn(&str) -> bool) -> Constraints {
    let kept = constraints.iter().filter(|(name, _)| keeps(name));
    kept.cloned().collect()
}

/// Returns evidence by fewer parameters.
pub(in crate::learn) fn regrouped(
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
