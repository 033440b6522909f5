//! The counts: bounded tables of who asked for what, the same in whatever order it was asked.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use latchkey_protocol::EndpointKind;

use super::bounded::{Bounded, Limit};
use super::caller::Caller;
use super::evidence::Evidence;
use super::sample::{CallerSample, CallerSeen, Sample, Source};
use super::shape::{self, Fault, Reach, Shape, cut};
use super::usage::{MAX_FREE, MAX_VALUES, Use};
use crate::sensitive::ruled_by;

/// How many callers' ways to use a path are kept.
const MAX_USES: usize = 16_384;

/// How much all that is made of the uses may weigh, in bytes: the learned profiles, their report and their
/// texts are made of the tables at the end, and take about ten times as much.
const MAX_USE_WEIGHT: usize = 14 << 20;

/// How many kinds of requests that become no rule are kept.
const MAX_LEFT: usize = 4096;

/// How many callers without requests are kept.
const MAX_CALLERS: usize = 4096;

/// How many callers in doubt are kept.
const MAX_DOUBTFUL: usize = 4096;

/// How many callers as recorded are remembered.
const MAX_REMEMBERED: usize = 8192;

/// How many bytes the callers as recorded may take that are remembered.
const MAX_REMEMBERED_BYTES: usize = 8 << 20;

/// How much is kept of the texts of a request that becomes no rule, in bytes.
const LEFT_TEXT_BYTES: usize = 256;

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
    /// Callers about whom something is doubtful, whatever became of their requests.
    pub(super) doubtful: Bounded<Arc<Caller>, u64>,
    pub(super) uses: Bounded<UseKey, Use>,
    pub(super) left: Bounded<LeftKey, Evidence>,
    pub(super) callers: Bounded<CallerKey, u64>,
    pub(super) sources: BTreeSet<Source>,
    pub(super) requests: u64,
    remembered: HashMap<Box<[u8]>, Arc<Caller>>,
    remembered_bytes: usize,
    key: Vec<u8>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            doubtful: Bounded::new(entries(MAX_DOUBTFUL)),
            uses: Bounded::new(Limit {
                entries: MAX_USES,
                weight: MAX_USE_WEIGHT,
            }),
            left: Bounded::new(entries(MAX_LEFT)),
            callers: Bounded::new(entries(MAX_CALLERS)),
            sources: BTreeSet::new(),
            requests: 0,
            remembered: HashMap::new(),
            remembered_bytes: 0,
            key: Vec::new(),
        }
    }
}

fn bounded(text: String) -> Box<str> {
    if text.len() > LEFT_TEXT_BYTES {
        return cut(&text, LEFT_TEXT_BYTES).into();
    }
    text.into()
}

/// Returns a limit for entries that weigh about the same.
const fn entries(entries: usize) -> Limit {
    Limit {
        entries,
        weight: usize::MAX,
    }
}

impl Tally {
    pub(super) const HELD_AT_MOST: usize =
        MAX_USES * (MAX_VALUES + MAX_FREE) + MAX_LEFT + MAX_CALLERS + MAX_DOUBTFUL + MAX_REMEMBERED;

    /// Returns what a caller as recorded is; many records show the same one.
    pub(super) fn caller(&mut self, seen: &CallerSeen<'_>) -> Arc<Caller> {
        seen.write_key(&mut self.key);
        if let Some(known) = self.remembered.get(self.key.as_slice()) {
            return Arc::clone(known);
        }
        // What is forgotten is read again: what is learned does not depend on it.
        if self.remembered.len() >= MAX_REMEMBERED || self.remembered_bytes > MAX_REMEMBERED_BYTES {
            self.remembered.clear();
            self.remembered_bytes = 0;
        }
        let caller = Arc::new(Caller::of(seen));
        self.remembered_bytes += self.key.len() + caller.weight();
        self.remembered
            .insert(self.key.clone().into(), Arc::clone(&caller));
        caller
    }

    pub(super) fn add(&mut self, sample: &Sample<'_>, caller: Arc<Caller>, shape: &Shape) {
        if !caller.is_selectable() {
            self.leave(sample, &caller, &shape.path, Fault::UnknownCaller);
            return;
        }
        self.noted(sample, &caller);
        let endpoint = EndpointOrder::of(sample.endpoint);
        let key = UseKey {
            endpoint,
            path: Arc::clone(&shape.path),
            reach: shape.reach,
            method: shape::served(&sample.method).unwrap_or_default(),
            caller,
        };
        let key_weight = key.path.len() + key.caller.weight();
        self.uses.update(key, sample.count, |seen| {
            seen.key_weight = key_weight;
            seen.add(endpoint.kind(), sample, shape);
        });
    }

    /// Counts a request that becomes no rule.
    pub(super) fn leave(
        &mut self,
        sample: &Sample<'_>,
        caller: &Arc<Caller>,
        target: &str,
        why: Fault,
    ) {
        self.noted(sample, caller);
        let target = cut(target, LEFT_TEXT_BYTES);
        let example = Arc::from(&*target);
        let key = LeftKey {
            endpoint: sample.endpoint.as_str(),
            caller: bounded(caller.shown()),
            method: cut(&sample.method, 16).into(),
            target: target.into(),
            why,
        };
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

    fn noted(&mut self, sample: &Sample<'_>, caller: &Arc<Caller>) {
        if !caller.is_clean() {
            self.doubtful
                .update(Arc::clone(caller), sample.count, |count| {
                    *count = count.saturating_add(sample.count);
                });
        }
        self.requests = self.requests.saturating_add(sample.count);
        if !self.sources.contains(&sample.source) {
            self.sources.insert(sample.source);
        }
    }

    pub(super) fn held(&self) -> usize {
        let uses = self.uses.iter();
        let values: usize = uses
            .map(|(_, seen)| seen.by_values.len() + seen.free.len())
            .sum();
        let others = self.left.len() + self.callers.len() + self.doubtful.len();
        values + others + self.remembered.len()
    }
}
