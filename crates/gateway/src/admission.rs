//! How many connections may be open: in all, and from one source, so that no guest keeps the others out.
//!
//! A source is a machine with all its addresses, or all strangers of one interface together:
//! addresses cost a guest nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::machine::MachineId;

/// How many connections of one source are told that there are too many; those beyond are closed,
/// because being told takes a place too.
const MAX_TURNED_AWAY: usize = 16;

/// The most connections that may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all; a connection beyond is closed at once.
    pub total: usize,
    /// From one machine, or from all strangers of one interface together; one beyond is told so.
    pub per_source: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            total: 4096,
            per_source: 256,
        }
    }
}

/// Where a connection comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// A machine.
    Machine(MachineId),
    /// No machine, over the interface that the listener is bound to, if it is.
    Stranger(Option<Arc<str>>),
}

/// Counts open connections.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: ConnectionLimits,
    open: Mutex<HashMap<Source, usize>>,
}

/// What happens to a new connection.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It is served.
    Served(Place),
    /// It is told that its source has too many open.
    TurnedAway(Place),
    /// It is closed.
    Closed,
}

/// The place that an open connection takes; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    gate: Arc<Gate>,
    source: Source,
}

impl Gate {
    pub(crate) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            open: Mutex::default(),
        })
    }

    pub(crate) fn admit(self: &Arc<Self>, source: Source) -> Admission {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_source = open.get(&source).copied().unwrap_or_default();
        let is_full = open.values().sum::<usize>() >= self.limits.total;
        if is_full || of_source >= self.limits.per_source.saturating_add(MAX_TURNED_AWAY) {
            return Admission::Closed;
        }
        open.insert(source.clone(), of_source + 1);
        let place = Place {
            gate: Arc::clone(self),
            source,
        };
        if of_source < self.limits.per_source {
            Admission::Served(place)
        } else {
            Admission::TurnedAway(place)
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self
            .gate
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(of_source) = open.get_mut(&self.source) {
            *of_source -= 1;
            if *of_source == 0 {
                open.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(id: &str) -> Source {
        Source::Machine(MachineId::parse(id).unwrap())
    }

    fn gate(total: usize, per_source: usize) -> Arc<Gate> {
        Gate::new(ConnectionLimits { total, per_source })
    }

    #[test]
    fn one_source_cannot_take_the_places_of_the_others() {
        let gate = gate(4, 2);
        let (greedy, other) = (source("greedy"), source("other"));
        let first = gate.admit(greedy.clone());
        let second = gate.admit(greedy.clone());
        assert!(matches!(
            (&first, &second),
            (Admission::Served(_), Admission::Served(_))
        ));
        let third = gate.admit(greedy.clone());
        assert!(matches!(third, Admission::TurnedAway(_)));
        let fourth = gate.admit(other.clone());
        assert!(matches!(fourth, Admission::Served(_)));
        assert!(matches!(gate.admit(other), Admission::Closed));
        drop((first, third));
        assert!(matches!(gate.admit(greedy), Admission::Served(_)));
    }

    #[test]
    fn connections_that_are_turned_away_cannot_take_the_places_of_the_others() {
        let gate = gate(100, 2);
        let flood: Vec<_> = (0..1000).map(|_| gate.admit(source("greedy"))).collect();
        let told = |admission: &&Admission| matches!(admission, Admission::TurnedAway(_));
        assert_eq!(flood.iter().filter(told).count(), MAX_TURNED_AWAY);
        assert!(matches!(gate.admit(source("other")), Admission::Served(_)));
        drop(flood);
        assert!(gate.open.lock().unwrap().is_empty());
    }

    #[test]
    fn strangers_of_one_interface_share_their_places() {
        let gate = gate(100, 1);
        let stranger = |interface: &str| Source::Stranger(Some(Arc::from(interface)));
        let first = gate.admit(stranger("tap0"));
        assert!(matches!(first, Admission::Served(_)));
        let second = gate.admit(stranger("tap0"));
        assert!(matches!(second, Admission::TurnedAway(_)));
        let elsewhere = gate.admit(stranger("tap1"));
        assert!(matches!(elsewhere, Admission::Served(_)));
    }
}
