//! What the gateway saw, on its way to whoever keeps it: one observation for each request, whatever happens to it.
//!
//! The queue is bounded and never waited for. What does not fit is counted, so that
//! nothing is lost silently.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use latchkey_protocol::{Claims, Elevation, Mode, Reason, RequestHead};
use latchkey_record::Observation;
use latchkey_record::observation::{OBSERVATION_VERSION, SignatureFinding};
use tokio::sync::mpsc;

use crate::machine::Machine;
use crate::service::Ingress;

/// The status of an observation whose request got no answer: the client went away first.
pub const NO_ANSWER: u16 = 0;

/// The gateway's end of the queue of observations.
#[derive(Clone, Debug)]
pub struct ObservationSink {
    queue: mpsc::Sender<Observation>,
    lost: Arc<AtomicU64>,
}

/// Makes a queue of at most `capacity` observations, at least one.
#[must_use]
pub fn observation_queue(capacity: usize) -> (ObservationSink, mpsc::Receiver<Observation>) {
    let (queue, receiver) = mpsc::channel(capacity.max(1));
    (
        ObservationSink {
            queue,
            lost: Arc::default(),
        },
        receiver,
    )
}

impl ObservationSink {
    fn send(&self, observation: Observation) {
        if self.queue.try_send(observation).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns how many observations found the queue full or its reader gone.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// The observation of one request in the making; sent when dropped, so it cannot be forgotten.
#[derive(Debug)]
pub(crate) struct Witness<'a> {
    sink: &'a ObservationSink,
    observation: Observation,
}

impl<'a> Witness<'a> {
    pub(crate) fn new(sink: &'a ObservationSink, ingress: &Ingress, time: Timestamp) -> Self {
        let observation = Observation {
            version: OBSERVATION_VERSION,
            time,
            machine: None,
            source: ingress.source.to_string(),
            endpoint: ingress.endpoint.kind,
            mode: None,
            method: None,
            target: None,
            signature: SignatureFinding::Absent,
            is_root: None,
            reason: None,
            accepted: false,
            status: NO_ANSWER,
        };
        Self { sink, observation }
    }

    pub(crate) fn saw_head(&mut self, head: &RequestHead) {
        self.observation.method = Some(head.method.as_str().to_owned());
        self.observation.target = Some(head.target.clone());
    }

    pub(crate) fn saw_machine(&mut self, machine: &Machine, mode: Mode) {
        self.observation.machine = Some(machine.id.as_str().to_owned());
        self.observation.mode = Some(mode);
    }

    pub(crate) fn found(&mut self, finding: SignatureFinding, claims: Option<Claims>) {
        self.observation.signature = finding;
        self.observation.is_root = claims.map(|claims| claims.elevation == Elevation::Root);
    }

    /// Records why the request is refused, or in Audit would be.
    pub(crate) fn blamed(&mut self, reason: Reason) {
        self.observation.reason = Some(reason);
    }

    /// Sends the observation of a request that gets an answer with this status.
    pub(crate) fn answered(mut self, accepted: bool, status: http::StatusCode) {
        self.observation.accepted = accepted;
        self.observation.status = status.as_u16();
    }
}

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        self.sink.send(self.observation.clone());
    }
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::{EndpointTable, Mode};

    use super::*;

    #[test]
    fn what_finds_no_room_or_no_reader_is_counted() {
        let endpoint = EndpointTable::azure(Mode::Enforce).as_slice()[0].clone();
        let ingress = Ingress {
            endpoint: Arc::new(endpoint),
            source: "10.0.0.4:40000".parse().unwrap(),
            interface: None,
        };
        let (sink, mut queue) = observation_queue(1);
        for _ in 0..3 {
            drop(Witness::new(&sink, &ingress, Timestamp::UNIX_EPOCH));
        }
        assert_eq!(sink.lost(), 2);
        let kept = queue.try_recv().unwrap();
        assert_eq!((kept.status, kept.accepted), (NO_ANSWER, false));
        drop(queue);
        drop(Witness::new(&sink, &ingress, Timestamp::UNIX_EPOCH));
        assert_eq!(sink.lost(), 3);
    }
}
