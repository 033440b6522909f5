//! What becomes a rule: who is given what, on which evidence, and whether a person decides first.
//!
//! A caller in doubt is given nothing sensitive, neither by a rule of its own nor by one that was made
//! for somebody else and would hold for it too: such rules wait for a decision with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::caller::{Caller, is_interpreter};
use super::parameter::is_deciding;
use super::sensitive::{holds_sensitive, is_sensitive};
use super::shape::{Constraints, Reach};
use super::tally::{Detail, EndpointOrder, Evidence, Tally, Use, UseKey, regrouped};
use super::{Mark, Options, name};

/// More values of a parameter that nothing is known about leave it open.
const MAX_UNKNOWN_VALUES: usize = 8;

/// What identities select by. Absent is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Who {
    pub(super) unit: Option<Box<str>>,
    pub(super) user: Option<Box<str>>,
    pub(super) uid: Option<u32>,
    pub(super) executable: Option<Box<str>>,
    pub(super) script: Option<Box<str>>,
}

impl Who {
    /// Returns whether a caller would be selected.
    fn selects(&self, caller: &Caller) -> bool {
        fn agrees<T: PartialEq + ?Sized>(own: Option<&T>, other: Option<&T>) -> bool {
            own.is_none() || own == other
        }
        agrees(self.unit.as_deref(), caller.unit.as_deref())
            && agrees(self.user.as_deref(), caller.user.as_deref())
            && agrees(self.uid.as_ref(), caller.uid.as_ref())
            && agrees(self.executable.as_deref(), caller.executable.as_deref())
            && agrees(self.script.as_deref(), caller.script.as_deref())
    }
}

/// What privileges cover.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct What {
    pub(super) path: Arc<str>,
    pub(super) reach: Reach,
    pub(super) constraints: Constraints,
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

    /// Returns whether a request could be of both.
    ///
    /// SECURITY: each path counts with all below it, as deployed agents read every path; what is exact
    /// here must not give tokens away there.
    fn overlaps(&self, other: &Self) -> bool {
        let agree = self.constraints.iter().all(|(name, value)| {
            let own = other.constraints.iter().find(|(own, _)| own == name);
            own.is_none_or(|(_, own)| own == value)
        });
        agree && (is_prefix(&self.path, &other.path) || is_prefix(&other.path, &self.path))
    }
}

fn is_prefix(path: &str, other: &str) -> bool {
    let rest = other.strip_prefix(path);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || path == "/")
}

/// One rule, or one that waits to be.
#[derive(Debug, Default)]
pub(super) struct Grant {
    pub(super) methods: BTreeSet<&'static str>,
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
        self.methods.insert(use_key.method);
        self.evidence.merge(evidence);
        self.marks.extend(&use_key.caller.marks);
        self.callers.insert(Arc::clone(&use_key.caller));
        for (name, why) in &seen.free {
            self.free.insert(name.clone(), why);
        }
        if seen.detail == Detail::None {
            self.marks.insert(Mark::TooManyValues);
        }
    }

    /// Adds what the whole evidence says.
    fn judge(&mut self, (endpoint, _, what): &GrantKey, options: &Options) {
        let evidence = &self.evidence;
        let holds = what.holds_sensitive(*endpoint);
        let marks = [
            (what.is_sensitive(*endpoint) || holds, Mark::Sensitive),
            (holds && what.reach == Reach::Below, Mark::ReachesFurther),
            (evidence.count == 1, Mark::SeenOnce),
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
#[derive(Debug)]
pub(super) struct Grants(pub(super) BTreeMap<GrantKey, Grant>);

/// A path, and the parameters that had too many values there to tell apart.
type Varying<'a> = BTreeSet<(EndpointOrder, &'a str, Reach, &'a str)>;

impl Grants {
    pub(super) fn of(tally: &Tally, options: &Options) -> Self {
        let groups = Groups::of(tally);
        let varying = varying(tally);
        let mut grants: BTreeMap<GrantKey, Grant> = BTreeMap::new();
        for (key, seen) in tally.uses.iter() {
            let names = seen.by_values.keys().flatten().map(|(name, _)| &**name);
            let open: BTreeSet<_> = names
                .filter(|name| varying.contains(&(key.endpoint, &*key.path, key.reach, *name)))
                .collect();
            let by_values = regrouped(&seen.by_values, |name| !open.contains(name));
            for (constraints, evidence) in &by_values {
                let what = What {
                    path: Arc::clone(&key.path),
                    reach: key.reach,
                    constraints: constraints.clone(),
                };
                let who = groups.who(&key.caller);
                let grant = grants.entry((key.endpoint, who, what)).or_default();
                grant.count(key, seen, evidence);
                grant.free.extend(
                    open.iter()
                        .map(|name| ((*name).into(), "it had many values")),
                );
            }
        }
        for (key, grant) in &mut grants {
            grant.id = name::id(key);
            grant.judge(key, options);
        }
        let mut grants = Self(grants);
        while grants.hold_back() {}
        grants
    }

    /// Has the rules wait that would give something to a caller who needs a decision about it; returns
    /// whether there were any.
    fn hold_back(&mut self) -> bool {
        let waiting: Vec<_> = self
            .0
            .iter()
            .filter(|(_, grant)| Self::is_kept(grant))
            .collect();
        let covers = |(endpoint, who, what): &GrantKey| {
            waiting.iter().any(|((place, _, asked), grant)| {
                place == endpoint
                    && what.overlaps(asked)
                    && grant.callers.iter().any(|caller| who.selects(caller))
            })
        };
        let rules = self.0.iter().filter(|(_, grant)| !grant.asks());
        let found: Vec<GrantKey> = rules
            .map(|(key, _)| key)
            .filter(|key| covers(key))
            .cloned()
            .collect();
        for key in &found {
            if let Some(grant) = self.0.get_mut(key) {
                grant.marks.insert(Mark::CoversUndecided);
            }
        }
        !found.is_empty()
    }

    /// Returns whether something sensitive is kept from its callers.
    fn is_kept(grant: &Grant) -> bool {
        !grant.holds() && grant.marks.contains(&Mark::Sensitive)
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
