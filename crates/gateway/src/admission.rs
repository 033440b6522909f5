//! How many connections may be open: in all, and from one source, so that no guest keeps the others out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The most connections that may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all; a connection beyond is closed at once.
    pub total: usize,
    /// From one source address on one interface; one beyond is told so.
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

/// Where connections come from.
type Source = (IpAddr, Option<Arc<str>>);

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

    pub(crate) fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        interface: Option<Arc<str>>,
    ) -> Admission {
        let source = (address, interface);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= self.limits.total {
            return Admission::Closed;
        }
        let of_source = open.entry(source.clone()).or_default();
        *of_source += 1;
        let place = Place {
            gate: Arc::clone(self),
            source,
        };
        if *of_source > self.limits.per_source {
            Admission::TurnedAway(place)
        } else {
            Admission::Served(place)
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

    #[test]
    fn one_source_cannot_take_the_places_of_the_others() {
        let gate = Gate::new(ConnectionLimits {
            total: 4,
            per_source: 2,
        });
        let (greedy, other) = ("10.0.0.4".parse().unwrap(), "10.0.0.5".parse().unwrap());
        let first = gate.admit(greedy, None);
        let second = gate.admit(greedy, None);
        assert!(matches!(
            (&first, &second),
            (Admission::Served(_), Admission::Served(_))
        ));
        let third = gate.admit(greedy, None);
        assert!(matches!(third, Admission::TurnedAway(_)));
        let fourth = gate.admit(other, None);
        assert!(matches!(fourth, Admission::Served(_)));
        assert!(matches!(gate.admit(other, None), Admission::Closed));
        drop((first, third));
        assert!(matches!(gate.admit(greedy, None), Admission::Served(_)));
    }
}
