//! Counts how often what a machine is told has changed, so that its agents notice.
//!
//! Agents fetch their goal state every few seconds and the rest of it when the count is another
//! than before. The count begins at one with the process, and behind the counts of all machines
//! that are gone: one that comes back does not tell its agents a count that they know.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use uuid::Uuid;

use crate::facts::Facts;
use crate::machine::{Machine, MachineId};

/// Ticks of 100 nanoseconds between the beginning of year 1 and that of 1970.
const TICKS_BEFORE_1970: i64 = 621_355_968_000_000_000;
const TICKS_PER_MICROSECOND: i64 = 10;

/// One state of what a machine is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Incarnation {
    /// The count.
    pub(super) number: u32,
    /// When it was first seen.
    since: Timestamp,
    /// Names this state: no other state of any machine or process has the same name.
    pub(super) activity: Uuid,
}

impl Incarnation {
    /// Returns when it was first seen, in ticks of 100 nanoseconds since the beginning of year 1.
    pub(super) fn created_ticks(&self) -> i64 {
        TICKS_BEFORE_1970 + self.since.as_microsecond() * TICKS_PER_MICROSECOND
    }

    /// Returns a number that names this state, also after a restart of the process.
    pub(super) const fn etag(&self) -> u64 {
        self.activity.as_u64_pair().1
    }
}

/// The present incarnation of every machine that asked.
#[derive(Debug, Default)]
pub(super) struct Incarnations(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    machines: HashMap<MachineId, (Facts, Incarnation)>,
    /// The highest count of a machine that is gone.
    gone: u32,
}

impl Incarnations {
    /// Returns the incarnation of what a machine is told now.
    pub(super) fn of(&self, machine: &Machine, now: Timestamp) -> Incarnation {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.machines.get(&machine.id);
        if let Some((facts, incarnation)) = before
            && *facts == machine.facts
        {
            return *incarnation;
        }
        let number = before.map_or(seen.gone, |(_, incarnation)| incarnation.number);
        let incarnation = Incarnation {
            number: number.saturating_add(1),
            since: now,
            activity: Uuid::new_v4(),
        };
        let state = (machine.facts.clone(), incarnation);
        seen.machines.insert(machine.id.clone(), state);
        incarnation
    }

    /// Forgets all machines but these.
    pub(super) fn keep(&self, machines: &HashSet<&MachineId>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen {
            machines: all,
            gone,
        } = &mut *seen;
        all.retain(|id, (_, incarnation)| {
            let stays = machines.contains(id);
            if !stays {
                *gone = incarnation.number.max(*gone);
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    #[test]
    fn count_rises_when_the_facts_change_and_not_otherwise() {
        let incarnations = Incarnations::default();
        let now = Timestamp::UNIX_EPOCH;
        let mut one = machine("one", "10.0.0.1", None);
        let first = incarnations.of(&one, now);
        one.key_incarnation += 1;
        assert_eq!((first.number, incarnations.of(&one, now)), (1, first));
        one.facts.vm_size = "other".to_owned();
        let second = incarnations.of(&one, now);
        assert_eq!(second.number, 2);
        assert_ne!(first.etag(), second.etag());
        let other = incarnations.of(&machine("two", "10.0.0.2", None), now);
        assert_eq!(other.number, 1);
    }

    #[test]
    fn machine_that_was_away_comes_back_with_a_count_that_its_agents_do_not_know() {
        let incarnations = Incarnations::default();
        let now = Timestamp::UNIX_EPOCH;
        let (one, other) = (
            machine("one", "10.0.0.1", None),
            machine("two", "10.0.0.2", None),
        );
        let (first, stays) = (incarnations.of(&one, now), incarnations.of(&other, now));
        incarnations.keep(&HashSet::from([&other.id]));
        assert_eq!(incarnations.0.lock().unwrap().machines.len(), 1);
        assert_eq!(incarnations.of(&other, now), stays);
        assert_eq!(incarnations.of(&one, now).number, first.number + 1);
    }

    #[test]
    fn ticks_begin_with_year_one() {
        let incarnation = Incarnation {
            number: 1,
            since: "2021-11-15T10:22:50Z".parse().unwrap(),
            activity: Uuid::nil(),
        };
        assert_eq!(incarnation.created_ticks(), 637_725_685_700_000_000);
    }
}
