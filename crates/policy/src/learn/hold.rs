//! Which rules wait although nothing speaks against them: those that would hold for somebody in doubt too.
//!
//! Linear in rules and callers, however many wait: rules are found by whom they select and by path.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Mark;
use super::caller::Caller;
use super::grant::{Grant, GrantKey, What, Who};
use super::tally::{EndpointOrder, Tally};

/// Marks the rules that would give something to a caller who needs a decision about it, and the sensitive
/// ones that would hold for any caller in doubt.
pub(super) fn back(grants: &mut BTreeMap<GrantKey, Grant>, tally: &Tally) {
    let mut held = Held::of(grants, tally);
    held.wait_for_doubtful();
    held.wait_for_each_other();
    let waiting = held.is_held;
    for (grant, is_held) in grants.values_mut().zip(waiting) {
        if is_held {
            grant.marks.insert(Mark::CoversUndecided);
        }
    }
}

/// The rules of one endpoint for one `Who`, by path.
type ByPath<'a> = BTreeMap<&'a str, Vec<usize>>;

/// The grants while they are looked through, by their place in the order of their keys.
struct Held<'a> {
    all: Vec<(&'a GrantKey, &'a Grant)>,
    tally: &'a Tally,
    whos: HashMap<&'a Who, usize>,
    /// The grants of each `Who`.
    by_who: Vec<BTreeMap<EndpointOrder, ByPath<'a>>>,
    is_held: Vec<bool>,
}

impl<'a> Held<'a> {
    fn of(grants: &'a BTreeMap<GrantKey, Grant>, tally: &'a Tally) -> Self {
        let all: Vec<_> = grants.iter().collect();
        let mut whos = HashMap::new();
        let mut by_who: Vec<BTreeMap<EndpointOrder, ByPath<'_>>> = Vec::new();
        for (at, ((endpoint, who, what), _)) in all.iter().enumerate() {
            let number = *whos.entry(who).or_insert(by_who.len());
            if number == by_who.len() {
                by_who.push(BTreeMap::new());
            }
            if let Some(own) = by_who.get_mut(number) {
                let paths = own.entry(*endpoint).or_default();
                paths.entry(&*what.path).or_default().push(at);
            }
        }
        Self {
            is_held: vec![false; all.len()],
            all,
            tally,
            whos,
            by_who,
        }
    }

    /// SECURITY: a unit's rule holds for all that runs in it. If something doubtful was seen among whom a
    /// sensitive rule selects, whatever it asked for, a person decides.
    fn wait_for_doubtful(&mut self) {
        // Who is doubtful is not known whole: each could be.
        let is_anybody = self.tally.doubtful.overflow() > 0;
        let mut doubtful: BTreeSet<&Who> = BTreeSet::new();
        for (caller, _) in self.tally.doubtful.iter() {
            let selecting = selectors(caller);
            doubtful.extend(
                selecting
                    .iter()
                    .filter_map(|who| self.whos.get_key_value(who))
                    .map(|(who, _)| *who),
            );
        }
        for ((key, grant), is_held) in self.all.iter().zip(&mut self.is_held) {
            let is_covering = is_anybody || doubtful.contains(&key.1);
            *is_held = is_covering && !grant.asks() && grant.marks.contains(&Mark::Sensitive);
        }
    }

    /// Has each rule wait that would give to a caller what he waits for; what waits then may have others
    /// wait in turn.
    fn wait_for_each_other(&mut self) {
        let all = 0..self.all.len();
        let mut open: Vec<usize> = all.filter(|at| self.is_kept(*at)).collect();
        let mut selecting: HashMap<&Caller, Vec<usize>> = HashMap::new();
        while let Some(at) = open.pop() {
            let Some((key, grant)) = self.all.get(at).copied() else {
                continue;
            };
            let mut whos: BTreeSet<usize> = BTreeSet::new();
            for caller in &grant.callers {
                let known = selecting.entry(&**caller).or_insert_with(|| {
                    let selectors = selectors(caller);
                    let numbers = selectors.iter().filter_map(|who| self.whos.get(who));
                    numbers.copied().collect()
                });
                whos.extend(known.iter());
            }
            let touched: Vec<usize> = whos
                .into_iter()
                .flat_map(|who| self.touched(who, key))
                .collect();
            for other in touched {
                if self.hold(other) && self.is_kept(other) {
                    open.push(other);
                }
            }
        }
    }

    /// Returns whether something sensitive is kept from its callers.
    fn is_kept(&self, at: usize) -> bool {
        let is_held = self.is_held.get(at).copied().unwrap_or_default();
        self.all.get(at).is_some_and(|(_, grant)| {
            let waits = (grant.asks() || is_held) && !grant.is_accepted;
            waits && grant.marks.contains(&Mark::Sensitive)
        })
    }

    /// Has a rule wait; returns whether it did not before.
    fn hold(&mut self, at: usize) -> bool {
        let asks = self.all.get(at).is_none_or(|(_, grant)| grant.asks());
        let Some(is_held) = self.is_held.get_mut(at) else {
            return false;
        };
        let is_new = !asks && !*is_held;
        *is_held |= is_new;
        is_new
    }

    /// Returns the grants of one `Who` that could give what another one is about.
    fn touched(&self, who: usize, (endpoint, _, what): &GrantKey) -> Vec<usize> {
        let own = self.by_who.get(who).and_then(|own| own.get(endpoint));
        let Some(paths) = own else {
            return Vec::new();
        };
        let path = &*what.path;
        let above = path.match_indices('/').map(|(at, _)| at.max(1));
        let above = above.filter_map(|at| path.get(..at));
        let above: BTreeSet<&str> = above.chain([path]).collect();
        let below = if path == "/" {
            path.to_owned()
        } else {
            format!("{path}/")
        };
        let from = paths.range(&*below..).skip_while(|(own, _)| **own == path);
        let below = from.take_while(|(own, _)| own.starts_with(&below));
        let found = above.into_iter().filter_map(|path| paths.get(path));
        let found = found.chain(below.map(|(_, found)| found)).flatten();
        let touching = found.filter(|at| {
            let other = self.all.get(**at);
            other.is_some_and(|((_, _, other), grant)| overlaps(what, other, grant))
        });
        touching.copied().collect()
    }
}

/// Returns whether what waits and another grant, one of whose paths holds the other, could be about one
/// request.
///
/// SECURITY: each path counts with all below it, as deployed agents read every path; what is exact here
/// must not give tokens away there. A method that waits alone does so for callers who have the others.
fn overlaps(waiting: &What, other: &What, grant: &Grant) -> bool {
    let is_of_method = |method| grant.methods.contains_key(method);
    let agree = waiting.constraints.iter().all(|(name, value)| {
        let own = other.constraints.iter().find(|(own, _)| own == name);
        own.is_none_or(|(_, own)| own == value)
    });
    agree && waiting.rare_method.is_none_or(is_of_method)
}

/// Returns every `Who` that selects a caller: each of his properties named or left out.
fn selectors(caller: &Caller) -> BTreeSet<Who> {
    let whole = Who {
        unit: caller.unit.clone(),
        user: caller.user.clone(),
        uid: caller.uid,
        executable: caller.executable.clone(),
        script: caller.script.clone(),
    };
    let mut all = BTreeSet::from([whole]);
    let leave_out: [fn(&mut Who); 5] = [
        |who| who.unit = None,
        |who| who.user = None,
        |who| who.uid = None,
        |who| who.executable = None,
        |who| who.script = None,
    ];
    for leave_out in leave_out {
        let less = all.iter().cloned().map(|mut who| {
            leave_out(&mut who);
            who
        });
        let less: Vec<Who> = less.collect();
        all.extend(less);
    }
    all
}
