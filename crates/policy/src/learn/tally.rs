//! The counts: bounded tables whose content does not depend on the order of what is counted.
//!
//! A full table keeps its smallest keys: one that is among them at the end was among them all the
//! time, so its counts are whole. What is kept out is counted. Values of one path that are too many
//! are counted together, for good.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use latchkey_protocol::EndpointKind;

use super::caller::Caller;
use super::parameter::is_deciding;
use super::sample::{CallerSample, CallerSeen, Sample, Source, Verdict};
use super::sensitive::ruled_by;
use super::shape::{self, Constraints, Fault, Reach, Shape, cut};

/// How many callers' ways to use a path are kept.
const MAX_USES: usize = 16_384;

/// How many sets of values of one use are kept apart.
const MAX_VALUES: usize = 32;

/// How many kinds of requests that become no rule are kept.
const MAX_LEFT: usize = 4096;

/// How many parameters that are left open are kept of one use.
const MAX_FREE: usize = 16;

/// How many callers without requests are kept.
const MAX_CALLERS: usize = 4096;

/// How many callers as recorded are remembered.
const MAX_REMEMBERED: usize = 8192;

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
    fn add(&mut self, sample: &Sample<'_>, example: &Arc<str>) {
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

/// A table that keeps its smallest keys, and counts what it keeps out.
#[derive(Debug)]
pub(super) struct Bounded<K, V> {
    entries: BTreeMap<K, V>,
    limit: usize,
    overflow: u64,
}

/// What can be counted together.
pub(super) trait Counted: Default {
    fn count(&self) -> u64;
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

impl<K: Ord, V: Counted> Bounded<K, V> {
    const fn new(limit: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            limit,
            overflow: 0,
        }
    }

    fn update(&mut self, key: K, count: u64, change: impl FnOnce(&mut V)) {
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

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter()
    }

    pub(super) const fn overflow(&self) -> u64 {
        self.overflow
    }
}

/// How one caller uses one path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UseKey {
    pub(super) endpoint: EndpointOrder,
    pub(super) path: Arc<str>,
    pub(super) reach: Reach,
    pub(super) method: &'static str,
    pub(super) caller: Arc<Caller>,
}

/// Whose profile holds, in the order in which profiles are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EndpointOrder {
    Imds,
    WireServer,
}

impl EndpointOrder {
    fn of(endpoint: EndpointKind) -> Self {
        match ruled_by(endpoint) {
            EndpointKind::Imds => Self::Imds,
            EndpointKind::WireServer | EndpointKind::HostGa => Self::WireServer,
        }
    }

    pub(super) const fn kind(self) -> EndpointKind {
        match self {
            Self::Imds => EndpointKind::Imds,
            Self::WireServer => EndpointKind::WireServer,
        }
    }
}

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
}

impl Counted for Use {
    fn count(&self) -> u64 {
        self.by_values.values().map(|evidence| evidence.count).sum()
    }
}

impl Use {
    fn add(&mut self, endpoint: EndpointKind, sample: &Sample<'_>, shape: &Shape) {
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

/// A kind of requests that become no rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LeftKey {
    pub(super) endpoint: &'static str,
    pub(super) caller: Box<str>,
    pub(super) method: Box<str>,
    pub(super) target: Box<str>,
    pub(super) why: Fault,
}

/// A caller of whom no request was recorded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CallerKey {
    pub(super) endpoint: &'static str,
    pub(super) user: Box<str>,
    pub(super) executable: Box<str>,
    pub(super) status: Option<u16>,
}

/// All counts.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) uses: Bounded<UseKey, Use>,
    pub(super) left: Bounded<LeftKey, Evidence>,
    pub(super) callers: Bounded<CallerKey, u64>,
    pub(super) sources: BTreeSet<Source>,
    pub(super) requests: u64,
    remembered: HashMap<Box<[u8]>, Arc<Caller>>,
    key: Vec<u8>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            uses: Bounded::new(MAX_USES),
            left: Bounded::new(MAX_LEFT),
            callers: Bounded::new(MAX_CALLERS),
            sources: BTreeSet::new(),
            requests: 0,
            remembered: HashMap::new(),
            key: Vec::new(),
        }
    }
}

impl Tally {
    pub(super) const HELD_AT_MOST: usize =
        MAX_USES * (MAX_VALUES + MAX_FREE) + MAX_LEFT + MAX_CALLERS + MAX_REMEMBERED;

    /// Returns what a caller as recorded is; many records show the same one.
    pub(super) fn caller(&mut self, seen: &CallerSeen<'_>) -> Arc<Caller> {
        seen.write_key(&mut self.key);
        if let Some(known) = self.remembered.get(self.key.as_slice()) {
            return Arc::clone(known);
        }
        if self.remembered.len() >= MAX_REMEMBERED {
            self.remembered.clear();
        }
        let caller = Arc::new(Caller::of(seen));
        self.remembered
            .insert(self.key.clone().into(), Arc::clone(&caller));
        caller
    }

    pub(super) fn add(&mut self, sample: &Sample<'_>, caller: Arc<Caller>, shape: &Shape) {
        if !caller.is_selectable() {
            self.leave(sample, &caller, &shape.path, Fault::UnknownCaller);
            return;
        }
        self.noted(sample);
        let endpoint = EndpointOrder::of(sample.endpoint);
        let key = UseKey {
            endpoint,
            path: Arc::clone(&shape.path),
            reach: shape.reach,
            method: shape::served(&sample.method).unwrap_or_default(),
            caller,
        };
        self.uses.update(key, sample.count, |seen| {
            seen.add(endpoint.kind(), sample, shape);
        });
    }

    /// Counts a request that becomes no rule.
    pub(super) fn leave(&mut self, sample: &Sample<'_>, caller: &Caller, target: &str, why: Fault) {
        self.noted(sample);
        let key = LeftKey {
            endpoint: sample.endpoint.as_str(),
            caller: caller.shown().into(),
            method: cut(&sample.method, 16).into(),
            target: target.into(),
            why,
        };
        let example = Arc::from(target);
        self.left
            .update(key, sample.count, |evidence: &mut Evidence| {
                evidence.add(sample, &example);
            });
    }

    pub(super) fn add_caller(&mut self, sample: &CallerSample<'_>) {
        self.sources.insert(Source::DeployedStatus);
        let key = CallerKey {
            endpoint: sample.endpoint.as_str(),
            user: cut(&sample.user, 128).into(),
            executable: cut(&sample.executable, 512).into(),
            status: sample.status,
        };
        self.callers.update(key, sample.count, |count| {
            *count = count.saturating_add(sample.count);
        });
    }

    fn noted(&mut self, sample: &Sample<'_>) {
        self.requests = self.requests.saturating_add(sample.count);
        if !self.sources.contains(&sample.source) {
            self.sources.insert(sample.source);
        }
    }

    pub(super) fn held(&self) -> usize {
        let uses = self.uses.entries.values();
        let values: usize = uses
            .map(|seen| seen.by_values.len() + seen.free.len())
            .sum();
        values + self.left.entries.len() + self.callers.entries.len() + self.remembered.len()
    }
}
