//! What becomes a rule: who is given what, on which evidence, and whether a person decides first.
//!
//! A caller in doubt is given nothing sensitive, neither by a rule of its own nor by one that was made
//! for somebody else and would hold for it too: such rules wait for a decision with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::caller::{Caller, is_interpreter};
use super::evidence::Evidence;
use super::parameter::is_deciding;
use super::shape::{Constraints, Reach, begins_with_id};
use super::tally::{EndpointOrder, Tally, UseKey};
use super::usage::{Detail, MANY_VALUES, Use, regrouped};
use super::{Mark, Options, hold, name};
use crate::lint::owner;
use crate::sensitive::{holds_sensitive, is_sensitive};

/// More values of a parameter that nothing is known about leave it open.
const MAX_UNKNOWN_VALUES: usize = 8;

/// What identities select by. Absent is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Who {
    pub(super) unit: Option<Box<str>>,
    pub(super) user: Option<Box<str>>,
    pub(super) uid: Option<u32>,
    pub(super) executable: Option<Box<str>>,
    pub(super) script: Option<Box<str>>,
}

/// What privileges cover.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct What {
    pub(super) path: Arc<str>,
    pub(super) reach: Reach,
    pub(super) constraints: Constraints,
    /// The one method that it is about, where that was seen once and others often.
    pub(super) rare_method: Option<&'static str>,
}

impl What {
    fn comp(&self) -> Option<&str> {
        let mut constraints = self.constraints.iter();
        let comp = constraints.find(|(name, _)| &**name == "comp");
        comp.map(|(_, value)| &**value)
    }

    fn is_sensitive(&self, endpoint: EndpointOrder) -> bool {
        is_sensitive(endpoint.kind(), &self.path, self.comp())
    }

    fn holds_sensitive(&self, endpoint: EndpointOrder) -> bool {
        holds_sensitive(endpoint.kind(), &self.path, self.comp())
    }

    fn yields(&self, endpoint: EndpointOrder) -> bool {
        self.is_sensitive(endpoint) || self.holds_sensitive(endpoint)
    }

    /// Returns whether the path is one that another endpoint serves.
    fn is_foreign(&self, endpoint: EndpointOrder) -> bool {
        let is_root_only = endpoint.kind().is_root_only();
        owner(&self.path).is_some_and(|owner| owner.is_root_only() != is_root_only)
    }
}

/// One rule, or one that waits to be.
#[derive(Debug, Default)]
pub(super) struct Grant {
    /// The methods, and how often each was seen.
    pub(super) methods: BTreeMap<&'static str, u64>,
    pub(super) evidence: Evidence,
    pub(super) marks: BTreeSet<Mark>,
    pub(super) callers: BTreeSet<Arc<Caller>>,
    pub(super) free: BTreeMap<Box<str>, &'static str>,
    pub(super) id: String,
    pub(super) is_accepted: bool,
}

impl Grant {
    /// Returns whether it is a rule.
    pub(super) fn holds(&self) -> bool {
        self.is_accepted || !self.asks()
    }

    /// Returns whether a person decides.
    pub(super) fn asks(&self) -> bool {
        let is_risky = self.marks.iter().any(|mark| mark.is_risk());
        let is_sensitive = self.marks.contains(&Mark::Sensitive);
        self.marks.iter().any(|mark| mark.always_asks()) || (is_sensitive && is_risky)
    }

    fn count(&mut self, use_key: &UseKey, seen: &Use, evidence: &Evidence) {
        let count = self.methods.entry(use_key.method).or_default();
        *count = count.saturating_add(evidence.count);
        self.evidence.merge(evidence);
        self.marks.extend(&use_key.caller.marks);
        self.callers.insert(Arc::clone(&use_key.caller));
        for (name, why) in &seen.free {
            let known = self.free.entry(name.clone()).or_insert(why);
            *known = (*known).min(why);
        }
        if seen.detail == Detail::None {
            self.marks.insert(Mark::TooManyValues);
        }
    }

    /// Adds what was seen of another one that is about the same.
    fn join(&mut self, other: Self) {
        for (method, count) in other.methods {
            let sum = self.methods.entry(method).or_default();
            *sum = sum.saturating_add(count);
        }
        self.evidence.merge(&other.evidence);
        self.marks.extend(other.marks);
        self.callers.extend(other.callers);
        for (name, why) in other.free {
            let known = self.free.entry(name).or_insert(why);
            *known = (*known).min(why);
        }
    }

    /// Adds what the whole evidence says.
    fn judge(&mut self, (endpoint, _, what): &GrantKey, options: &Options) {
        let evidence = &self.evidence;
        let holds = what.holds_sensitive(*endpoint);
        let is_seen_once = self.methods.values().all(|count| *count == 1);
        let marks = [
            (what.yields(*endpoint), Mark::Sensitive),
            (what.is_foreign(*endpoint), Mark::ForeignPath),
            (begins_with_id(&what.path), Mark::IdInPath),
            (holds && what.reach == Reach::Below, Mark::ReachesFurther),
            (is_seen_once, Mark::SeenOnce),
            (evidence.count < options.min_count, Mark::BelowMinCount),
            (evidence.withheld > 0, Mark::Withheld),
        ];
        let set = marks.into_iter().filter(|(is_set, _)| *is_set);
        self.marks.extend(set.map(|(_, mark)| mark));
        self.is_accepted = options.accept.contains(&self.id);
    }
}

/// Who is given what, where.
pub(super) type GrantKey = (EndpointOrder, Who, What);

/// All that could become rules.
#[derive(Debug, Default)]
pub(super) struct Grants(pub(super) BTreeMap<GrantKey, Grant>);

/// A path, and the parameters that had too many values there to tell apart.
type Varying<'a> = BTreeSet<(EndpointOrder, &'a str, Reach, &'a str)>;

impl Grants {
    pub(super) fn of(tally: &Tally, options: &Options) -> Self {
        let groups = Groups::of(tally);
        let varying = varying(tally);
        let mut grants = Self::default();
        for (key, seen) in tally.uses.iter() {
            grants.add(key, seen, &groups.who(&key.caller), &varying);
        }
        grants.part_rare_methods();
        for (key, grant) in &mut grants.0 {
            grant.id = name::id(key);
            grant.judge(key, options);
        }
        hold::back(&mut grants.0, tally);
        grants
    }

    /// Adds a use under each set of values.
    fn add(&mut self, key: &UseKey, seen: &Use, who: &Who, varying: &Varying<'_>) {
        let names = seen.by_values.keys().flatten().map(|(name, _)| &**name);
        let open: BTreeSet<_> = names
            .filter(|name| varying.contains(&(key.endpoint, &*key.path, key.reach, *name)))
            .collect();
        for (constraints, evidence) in regrouped(&seen.by_values, |name| !open.contains(name)) {
            let mut what = What {
                path: Arc::clone(&key.path),
                reach: key.reach,
                constraints,
                rare_method: None,
            };
            // SECURITY: a token for one method is none for another; see `part_rare_methods`.
            if what.yields(key.endpoint) {
                what.rare_method = Some(key.method);
            }
            let entry = self.0.entry((key.endpoint, who.clone(), what));
            let grant = entry.or_default();
            grant.count(key, seen, &evidence);
            grant
                .free
                .extend(open.iter().map(|name| ((*name).into(), MANY_VALUES)));
        }
    }

    /// Puts the methods of what is sensitive together, except those seen once where others were seen
    /// often: these need a decision of their own.
    fn part_rare_methods(&mut self) {
        let mut often: BTreeSet<GrantKey> = BTreeSet::new();
        let whole = |(endpoint, who, what): &GrantKey| {
            let what = What {
                rare_method: None,
                ..what.clone()
            };
            (*endpoint, who.clone(), what)
        };
        let of_one_method = |key: &GrantKey| key.2.rare_method.is_some();
        for (key, grant) in self.0.iter().filter(|(key, _)| of_one_method(key)) {
            if grant.evidence.count > 1 {
                often.insert(whole(key));
            }
        }
        for (key, grant) in std::mem::take(&mut self.0) {
            let all = whole(&key);
            let is_rare = of_one_method(&key) && grant.evidence.count == 1 && often.contains(&all);
            let key = if is_rare { key } else { all };
            self.0.entry(key).or_default().join(grant);
        }
    }
}

/// Returns the parameters of which nothing is known but that they have many values.
fn varying(tally: &Tally) -> Varying<'_> {
    let mut values: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for (key, seen) in tally.uses.iter() {
        for (name, value) in seen.by_values.keys().flatten() {
            if !is_deciding(key.endpoint.kind(), name) {
                let place = (key.endpoint, &*key.path, key.reach, &**name);
                values.entry(place).or_default().insert(value);
            }
        }
    }
    let many = values
        .into_iter()
        .filter(|(_, seen)| seen.len() > MAX_UNKNOWN_VALUES);
    many.map(|(place, _)| place).collect()
}

/// The callers of each unit.
#[derive(Debug, Default)]
struct Groups<'a>(BTreeMap<UnitOf<'a>, BTreeSet<Option<&'a str>>>);

/// A unit with the user that its processes run as.
type UnitOf<'a> = (&'a Option<Box<str>>, &'a Option<Box<str>>, Option<u32>);

impl<'a> Groups<'a> {
    /// Gathers the executables of each unit in which nothing doubtful was seen.
    fn of(tally: &'a Tally) -> Self {
        let mut groups = Self::default();
        for (key, _) in tally.uses.iter() {
            let caller = &key.caller;
            if caller.unit.is_some() && caller.is_clean() {
                let unit = (&caller.unit, &caller.user, caller.uid);
                let executables = groups.0.entry(unit).or_default();
                executables.insert(caller.executable.as_deref());
            }
        }
        groups
    }

    /// Returns what selects a caller: its unit, and the one executable seen there; else its user and
    /// executable. What is doubtful is not taken for its unit's.
    fn who(&self, caller: &Caller) -> Who {
        let Caller {
            unit, user, uid, ..
        } = caller;
        let executables = self.0.get(&(unit, user, *uid));
        let executables = executables.filter(|_| caller.is_clean());
        let whole = Who {
            unit: unit.clone(),
            user: user.clone(),
            uid: *uid,
            executable: caller.executable.clone(),
            script: caller.script.clone(),
        };
        let is_one_program = executables.is_some_and(|all| {
            all.len() == 1 && all.iter().flatten().all(|path| !is_interpreter(path))
        });
        // SECURITY: deployed agents know no unit: without a user's name the path alone tells callers apart.
        let is_one_program = is_one_program || user.is_none();
        match executables {
            Some(_) if !is_one_program => Who {
                executable: None,
                script: None,
                ..whole
            },
            Some(_) | None => whole,
        }
    }
}
