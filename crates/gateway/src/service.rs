//! The straight way of one request: whose it is, what it asks, whether it is signed, the answer, the observation.
//!
//! The machine comes from the packet's source and ingress interface alone. In Enforce a
//! request without a valid signature is refused with a code and nothing more; a request
//! that two parsers could read differently is refused too.

mod failure;
mod judgement;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use latchkey_http1::{Connection, KeepAlive, Limits, ReadError, WriteError, problem};
use latchkey_protocol::header::HOST_DATE;
use latchkey_protocol::{Endpoint, EndpointKind, Mode, Reason, Request, RequestHead};
use latchkey_record::observation::SignatureFinding;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::answer::Answer;
use crate::backend::{Asker, Backend, Reply};
use crate::certificate::CertificateError;
use crate::channel::ChannelCall;
use crate::clock::{Clock, http_date};
use crate::counters::{CounterValues, Counters};
use crate::emulator::Emulator;
use crate::key_service::KeyService;
use crate::machine::{Machine, MachineTable};
use crate::observe::{ObservationSink, Witness};
use crate::upstream::{Upstream, UpstreamSettings};
use failure::{Failure, blame, unanswered};

/// Where a connection came in: facts of the kernel.
#[derive(Clone, Debug)]
pub struct Ingress {
    /// The endpoint whose listener accepted it.
    pub endpoint: Arc<Endpoint>,
    /// The packet's source.
    pub source: SocketAddr,
    /// The interface that the listener is bound to, if it is.
    pub interface: Option<Arc<str>>,
}

/// The gateway: machines, keys, services.
pub struct Gateway {
    machines: ArcSwap<MachineTable>,
    keys: KeyService,
    emulator: Emulator,
    upstreams: HashMap<EndpointKind, Upstream>,
    observations: ObservationSink,
    clock: Arc<dyn Clock>,
    limits: Limits,
    changes: watch::Sender<()>,
    pub(crate) counters: Arc<Counters>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What became of a connection.
#[derive(Debug)]
pub enum Ending<S> {
    /// It ended in order, or the client ended it.
    Ended,
    /// An answer broke off: it must be reset, so that the client does not take what it has for the
    /// whole.
    BrokenOff(S),
}

impl Gateway {
    /// Makes a gateway that knows no machine yet.
    pub fn new(
        keys: KeyService,
        emulator: Emulator,
        observations: ObservationSink,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Self {
        Self {
            machines: ArcSwap::default(),
            keys,
            emulator,
            upstreams: HashMap::new(),
            observations,
            clock,
            limits,
            changes: watch::Sender::new(()),
            counters: Arc::default(),
        }
    }

    /// Puts a metadata service behind the endpoints of a kind, in place of the emulator.
    #[must_use]
    pub fn with_upstream(mut self, kind: EndpointKind, settings: UpstreamSettings) -> Self {
        let upstream = Upstream::new(settings, Arc::clone(&self.counters));
        self.upstreams.insert(kind, upstream);
        self
    }

    /// Returns what answers at the endpoints of a kind.
    fn backend(&self, kind: EndpointKind) -> Backend<'_> {
        match self.upstreams.get(&kind) {
            Some(upstream) => Backend::Upstream(upstream),
            None => Backend::Emulator(&self.emulator),
        }
    }

    /// Replaces all machines; requests whose bodies are still to come are judged by the new ones.
    pub fn set_machines(&self, table: MachineTable) {
        self.emulator.keep(&table);
        self.machines.store(Arc::new(table));
        self.changes.send_replace(());
    }

    /// Makes what machines need and what takes a while, before they are put in force.
    ///
    /// # Errors
    /// When a certificate cannot be made.
    pub fn prepare(&self, table: &MachineTable) -> Result<(), CertificateError> {
        self.emulator.prepare(table, self.clock.now())
    }

    /// Tells when the machines were replaced.
    pub(crate) fn machine_changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Returns the machines.
    #[must_use]
    pub fn machines(&self) -> Arc<MachineTable> {
        self.machines.load_full()
    }

    /// Returns the key service.
    #[must_use]
    pub const fn keys(&self) -> &KeyService {
        &self.keys
    }

    /// Returns the time by which signatures and modes are judged.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the emulated services.
    #[must_use]
    pub const fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// Returns the counters.
    #[must_use]
    pub fn counters(&self) -> CounterValues {
        self.counters.values(self.observations.lost())
    }

    /// Serves one connection until it ends, or until `drain` turns true between two requests.
    pub async fn serve<S>(
        &self,
        stream: S,
        ingress: &Ingress,
        mut drain: watch::Receiver<bool>,
    ) -> Ending<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        self.counters.connections.increment();
        let mut connection = Connection::new(stream, self.limits);
        loop {
            let next = tokio::select! {
                biased;
                _ = drain.wait_for(|draining| *draining) => return Ending::Ended,
                next = connection.next() => next,
            };
            let written = match next {
                Ok(Some(head)) => self.exchange(&mut connection, ingress, head).await,
                Ok(None) | Err(ReadError::Io(_)) => return Ending::Ended,
                Err(ReadError::Refused(reason)) => {
                    self.refuse_unread(&mut connection, ingress, reason).await
                }
            };
            match written {
                Ok(Some(KeepAlive::Open)) => {}
                Ok(Some(KeepAlive::Close)) => {
                    connection.close().await;
                    return Ending::Ended;
                }
                Ok(None) => return Ending::Ended,
                Err(WriteError::Client(error)) => {
                    debug!(source = %ingress.source, %error, "client took no answer");
                    return Ending::Ended;
                }
                Err(WriteError::Body(error)) => {
                    self.counters.upstream_failures.increment();
                    let error: &dyn std::error::Error = &*error;
                    warn!(source = %ingress.source, error, "answer broke off");
                    return Ending::BrokenOff(connection.into_stream());
                }
            }
        }
    }

    /// Turns a connection away before anything of it is read.
    pub(crate) async fn turn_away<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        self.counters.connections_refused.increment();
        let mut connection = Connection::new(stream, self.limits);
        if connection
            .respond(problem(Reason::Overloaded))
            .await
            .is_ok()
        {
            connection.close().await;
        }
    }

    /// Counts a connection that is closed because there are too many.
    pub(crate) fn close_unserved(&self) {
        self.counters.connections_refused.increment();
    }

    /// Refuses what is no request.
    async fn refuse_unread<S>(
        &self,
        connection: &mut Connection<S>,
        ingress: &Ingress,
        reason: Reason,
    ) -> Result<Option<KeepAlive>, WriteError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        self.counters.requests.increment();
        let now = self.clock.now();
        let mut witness = Witness::new(&self.observations, ingress, now);
        if let Some(machine) = self.identify(ingress) {
            witness.saw_machine(&machine, machine.mode(ingress.endpoint.kind, now));
        }
        let answer = self.refusal(reason, &mut witness);
        witness.answered(false, answer.status());
        connection.respond(answer).await.map(Some)
    }

    /// Answers one request, and records it before the client can see the answer.
    async fn exchange<S>(
        &self,
        connection: &mut Connection<S>,
        ingress: &Ingress,
        head: RequestHead,
    ) -> Result<Option<KeepAlive>, WriteError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        self.counters.requests.increment();
        let mut witness = Witness::new(&self.observations, ingress, self.clock.now());
        witness.saw_head(&head);
        let (reply, is_accepted) = match self.answer(connection, ingress, head, &mut witness).await
        {
            Ok(mut reply) => {
                self.date(reply.response.headers_mut());
                (reply, true)
            }
            Err(Failure::Refused(reason)) => (self.refusal(reason, &mut witness).into(), false),
            Err(Failure::Unanswered(reason)) => (self.failure(reason, &mut witness).into(), false),
            Err(Failure::Gone) => return Ok(None),
        };
        let Reply { response, place } = reply;
        witness.answered(is_accepted, response.status());
        let written = connection.respond(response).await;
        drop(place);
        written.map(Some)
    }

    async fn answer<S>(
        &self,
        connection: &mut Connection<S>,
        ingress: &Ingress,
        head: RequestHead,
        witness: &mut Witness<'_>,
    ) -> Result<Reply, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let kind = ingress.endpoint.kind;
        let (machine, mode) = self.witnessed(ingress, witness)?;
        let request = Request::read(head, &ingress.endpoint)?;
        if let Some(call) = ChannelCall::recognise(&request, kind) {
            witness.found(SignatureFinding::Exempt, None);
            let body = connection.read_body(request.max_body_bytes()).await?;
            let answer = call
                .answer(&self.keys, &machine, &request, &body, self.clock.now())
                .await;
            return match answer {
                Ok(answer) => Ok(answer.into()),
                Err(error) => Err(blame(&machine, error).into()),
            };
        }
        let backend = self.backend(kind);
        let source = ingress.source.ip();
        if request.upload().is_some() {
            witness.found(SignatureFinding::Exempt, None);
            self.weigh(mode, judgement::ambiguity(&request), witness)?;
            let asker = Asker {
                machine: &machine,
                source,
                now: self.clock.now(),
            };
            let reply = backend.upload(&asker, request, connection).await;
            return reply.map_err(|error| unanswered(&machine, kind, error));
        }
        let body = connection.read_body(request.max_body_bytes()).await?;
        // SECURITY: whoever sends a body slowly could be judged by a mode that ended long ago.
        let (machine, mode) = self.witnessed(ingress, witness)?;
        let objection = self
            .judge(&machine, &ingress.endpoint, &request, &body, witness)
            .await;
        self.weigh(mode, objection, witness)?;
        let asker = Asker {
            machine: &machine,
            source,
            now: self.clock.now(),
        };
        let reply = backend.answer(&asker, request, body).await;
        reply.map_err(|error| unanswered(&machine, kind, error))
    }

    /// Returns the machine that a connection comes from as it is now, and its mode, and records both.
    fn witnessed(
        &self,
        ingress: &Ingress,
        witness: &mut Witness<'_>,
    ) -> Result<(Arc<Machine>, Mode), Reason> {
        let machine = self.identify(ingress).ok_or(Reason::UnknownMachine)?;
        let mode = machine.mode(ingress.endpoint.kind, self.clock.now());
        witness.saw_machine(&machine, mode);
        Ok((machine, mode))
    }

    /// Returns the machine that a connection comes from.
    pub(crate) fn identify(&self, ingress: &Ingress) -> Option<Arc<Machine>> {
        self.machines
            .load()
            .identify(ingress.source.ip(), ingress.interface.as_deref())
    }

    fn refusal(&self, reason: Reason, witness: &mut Witness<'_>) -> Answer {
        self.counters.requests_refused.increment();
        witness.blamed(reason);
        let mut answer = problem(reason);
        // A stranger has nothing to sign, so it needs no time to sign by.
        if reason != Reason::UnknownMachine {
            self.date(answer.headers_mut());
        }
        answer
    }

    /// Answers for a metadata service that gave no usable answer.
    fn failure(&self, reason: Reason, witness: &mut Witness<'_>) -> Answer {
        self.counters.upstream_failures.increment();
        witness.blamed(reason);
        let mut answer = problem(reason);
        self.date(answer.headers_mut());
        answer
    }

    /// Adds the gateway's time, by which guests date their signatures.
    fn date(&self, headers: &mut HeaderMap) {
        if let Ok(date) = HeaderValue::try_from(http_date(self.clock.now())) {
            headers.insert(HOST_DATE, date);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::key_store::{KeyStore, KeyStoreError};
    use crate::latch::MachineKey;
    use crate::machine::MachineId;
    use crate::observe::observation_queue;

    struct NoKeys;

    impl KeyStore for NoKeys {
        fn load(&self, _: &MachineId) -> Result<Option<MachineKey>, KeyStoreError> {
            Ok(None)
        }

        fn save(&self, _: &MachineId, _: &MachineKey) -> Result<(), KeyStoreError> {
            Ok(())
        }
    }

    /// A gateway without machines, whose observations nobody reads.
    pub(crate) fn gateway() -> Arc<Gateway> {
        let issuer = Arc::new(crate::emulator::token::tests::issuer());
        let emulator = Emulator::new(issuer, "127.0.0.1:80".to_owned());
        let (sink, _) = observation_queue(1);
        let keys = KeyService::new(Arc::new(NoKeys)).unwrap();
        Arc::new(Gateway::new(
            keys,
            emulator,
            sink,
            Arc::new(SystemClock),
            Limits::default(),
        ))
    }
}
