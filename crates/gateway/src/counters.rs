//! Counts what happened, for the operator's status page; nothing is decided by them.

use std::sync::atomic::{AtomicU64, Ordering};

use latchkey_http1::client::ConnectionTally;
use serde::Serialize;

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The gateway's counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: Counter,
    pub(crate) connections_refused: Counter,
    pub(crate) requests: Counter,
    pub(crate) requests_refused: Counter,
    pub(crate) audit_findings: Counter,
    pub(crate) upstream_connections: Counter,
    pub(crate) upstream_failures: Counter,
}

impl ConnectionTally for Counters {
    fn opened(&self) {
        self.upstream_connections.increment();
    }
}

/// The gateway's counters at one moment; each counts since the process started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CounterValues {
    /// Connections that were served.
    pub connections: u64,
    /// Connections that were turned away because too many were open.
    pub connections_refused: u64,
    /// Requests, malformed ones included.
    pub requests: u64,
    /// Requests that the gateway refused.
    pub requests_refused: u64,
    /// Requests that were answered in Audit and that Enforce would have refused.
    pub audit_findings: u64,
    /// Connections opened to metadata services.
    pub upstream_connections: u64,
    /// Requests that passed and got no answer, or not the whole of one, from a metadata service.
    pub upstream_failures: u64,
    /// Observations that found the queue full.
    pub observations_lost: u64,
}

impl Counters {
    pub(crate) fn values(&self, observations_lost: u64) -> CounterValues {
        CounterValues {
            connections: self.connections.value(),
            connections_refused: self.connections_refused.value(),
            requests: self.requests.value(),
            requests_refused: self.requests_refused.value(),
            audit_findings: self.audit_findings.value(),
            upstream_connections: self.upstream_connections.value(),
            upstream_failures: self.upstream_failures.value(),
            observations_lost,
        }
    }
}
