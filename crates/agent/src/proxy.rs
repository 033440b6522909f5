//! The way of a request through the agent: read, decide, forward or refuse, record.
//!
//! A connection without a flow record is refused before anything of it is parsed. Every
//! request is judged on its own; after a refusal the connection closes, so that bytes
//! behind it are never taken for a request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use latchkey_http1::{Connection, KeepAlive, Limits, ReadError, WriteError, problem};
use latchkey_intercept::{FlowError, FlowRecord, FlowTable};
use latchkey_policy::{Decision, Permit, RuleSet};
use latchkey_protocol::{Endpoint, EndpointTable, Framing, Mode, Reason, Request, RequestHead};
use latchkey_record::audit::Outcome;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::admission::Users;
use crate::audit::{AuditGuard, AuditTrail, QueueState};
use crate::counters::Counters;
use crate::forward::{ForwardError, Forwarder, Route};
use crate::identity::{self, Identity, IdentityResolver};
use crate::judge::{Judge, Matter, Ruling};
use crate::upstream::ResponseBodyError;

/// How much of a target a record holds, in bytes.
const MAX_RECORDED_TARGET_BYTES: usize = 1024;

/// How long a client that has connected may take to ask once the agent stops. Between two requests
/// clients expect the end of a connection, before the first one they do not.
const FIRST_WORD: Duration = Duration::from_millis(500);

/// A refusal of a connection of which nothing was read waits for nothing.
const HASTY: Limits = Limits {
    head_timeout: Duration::from_secs(1),
    body_timeout: Duration::from_secs(1),
    idle_timeout: Duration::from_secs(1),
    write_timeout: Duration::from_secs(1),
};

/// Where the records of accepted connections come from.
pub trait FlowSource: Send + Sync {
    /// Takes the record of an accepted connection, once; nothing when it was not redirected.
    ///
    /// # Errors
    /// When the records cannot be read.
    fn take(&self, accepted: &TcpStream) -> Result<Option<FlowRecord>, FlowError>;
}

impl FlowSource for FlowTable {
    fn take(&self, accepted: &TcpStream) -> Result<Option<FlowRecord>, FlowError> {
        Self::take(self, accepted)
    }
}

/// Everything that a connection needs.
#[expect(
    missing_debug_implementations,
    reason = "a flow source need not be printable"
)]
pub struct Proxy {
    /// Who asked for a connection.
    pub flows: Box<dyn FlowSource>,
    /// Who may have how many connections.
    pub users: Users,
    /// What is protected.
    pub endpoints: EndpointTable,
    /// What is allowed.
    pub judge: Judge,
    /// Who callers are.
    pub identities: IdentityResolver,
    /// How requests leave.
    pub forwarder: Forwarder,
    /// What is recorded.
    pub audit: AuditTrail,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// How long clients are waited for.
    pub limits: Limits,
}

/// What holds for all requests of a connection.
struct Session<'a> {
    stop: watch::Receiver<bool>,
    flow: FlowRecord,
    index: usize,
    endpoint: &'a Endpoint,
    identity: Arc<Identity>,
    endpoint_name: Arc<str>,
    destination_text: Arc<str>,
}

/// What becomes of a connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It carries another request.
    Request,
    /// It ends in order.
    Close,
    /// It is reset, so that no client takes what it has for the whole response.
    Reset,
}

impl From<KeepAlive> for Next {
    fn from(keep_alive: KeepAlive) -> Self {
        match keep_alive {
            KeepAlive::Open => Self::Request,
            KeepAlive::Close => Self::Close,
        }
    }
}

impl Proxy {
    /// Serves one accepted connection to its end; once `stop` turns true it ends after the request
    /// under way. What is refused unread gives its `place` back first.
    pub async fn serve(
        &self,
        stream: TcpStream,
        place: OwnedSemaphorePermit,
        mut stop: watch::Receiver<bool>,
    ) {
        self.counters.connections.add();
        let flow = self.flows.take(&stream);
        let share = match &flow {
            Ok(Some(flow)) => self.users.admit(flow),
            _ => Ok(None),
        };
        let Ok(_share) = share else {
            drop(place);
            return self.refuse_one_too_many(stream, flow).await;
        };
        let session = match self.attribute(flow, &stop).await {
            Ok(session) => session,
            Err(reason) => {
                drop(place);
                self.counters.connections_unattributed.add();
                let (guard, _) = self.audit.begin();
                return self.refuse_unread(stream, guard, reason).await;
            }
        };
        let mut connection = Connection::new(stream, self.limits);
        let mut head = next_unless(&mut connection, &mut stop, FIRST_WORD).await;
        loop {
            if *stop.borrow() {
                connection.end();
            }
            match self.serve_request(&mut connection, &session, head).await {
                Next::Request => {
                    head = next_unless(&mut connection, &mut stop, Duration::ZERO).await;
                }
                Next::Close => return connection.close().await,
                Next::Reset => return reset(&connection.into_stream()),
            }
        }
    }

    /// Refuses a connection that is one too many, unread; its record says who the kernel saw.
    pub async fn turn_away(&self, stream: TcpStream) {
        self.counters.connections.add();
        let flow = self.flows.take(&stream);
        self.refuse_one_too_many(stream, flow).await;
    }

    async fn refuse_one_too_many(
        &self,
        stream: TcpStream,
        flow: Result<Option<FlowRecord>, FlowError>,
    ) {
        self.counters.connections_refused.add();
        let (mut guard, _) = self.audit.begin();
        if let Ok(Some(flow)) = flow {
            guard.record.destination = Some(flow.original_destination.to_string().into());
            guard.record.caller = Some(Arc::new(identity::undescribed(&flow)));
        }
        self.refuse_unread(stream, guard, Reason::Overloaded).await;
    }

    /// Refuses a connection of which nothing was read. When too many are being told so, its client
    /// is not.
    async fn refuse_unread(&self, stream: TcpStream, mut guard: AuditGuard, reason: Reason) {
        let Some(_place) = self.users.part() else {
            guard.record.outcome = Outcome::Refused;
            guard.record.reason = Some(reason);
            return;
        };
        let mut connection = Connection::new(stream, HASTY);
        self.refuse(&mut connection, guard, reason).await;
        connection.close().await;
    }

    /// Finds out which endpoint a connection is for and who asked for it.
    async fn attribute(
        &self,
        flow: Result<Option<FlowRecord>, FlowError>,
        stop: &watch::Receiver<bool>,
    ) -> Result<Session<'_>, Reason> {
        let flow = flow.map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "flow record cannot be read"
            );
            Reason::NoFlowRecord
        })?;
        let flow = flow.ok_or(Reason::NoFlowRecord)?;
        let (index, endpoint) = self
            .endpoints
            .find(flow.original_destination)
            .ok_or(Reason::UnknownEndpoint)?;
        let identity = self.identities.resolve(&flow).await;
        Ok(Session {
            stop: stop.clone(),
            endpoint_name: endpoint.name.as_str().into(),
            destination_text: flow.original_destination.to_string().into(),
            flow,
            index,
            endpoint,
            identity,
        })
    }

    async fn serve_request(
        &self,
        connection: &mut Connection<TcpStream>,
        session: &Session<'_>,
        head: Result<Option<RequestHead>, ReadError>,
    ) -> Next {
        if let Ok(None) = head {
            return Next::Close;
        }
        let (mut guard, queue) = self.audit.begin();
        describe_session(&mut guard, session);
        let head = match head {
            Ok(Some(head)) => head,
            // The client went away in the middle of the head.
            Ok(None) | Err(ReadError::Io(_)) => return Next::Close,
            Err(ReadError::Refused(reason)) => {
                return self.refuse(connection, guard, reason).await;
            }
        };
        describe_head(&mut guard, &head);
        let request = match Request::read(head, session.endpoint) {
            Ok(request) => request,
            Err(reason) => return self.refuse(connection, guard, reason).await,
        };
        self.settle(connection, session, request, guard, queue)
            .await
    }

    /// Carries out what is decided about a request.
    async fn settle(
        &self,
        connection: &mut Connection<TcpStream>,
        session: &Session<'_>,
        request: Request,
        mut guard: AuditGuard,
        queue: QueueState,
    ) -> Next {
        let (ruling, body) = match self.decide(connection, session, request, &mut guard).await {
            Ok(decided) => decided,
            Err(error) => return self.fail(connection, &error.into(), guard).await,
        };
        let Some(Ruling { decision, key }) = ruling else {
            return self.refuse(connection, guard, Reason::InternalError).await;
        };
        match decision {
            Decision::Refused(refusal) => self.refuse(connection, guard, refusal.reason).await,
            Decision::Permitted(permit)
                if queue == QueueState::Full && permit.basis().mode() == Mode::Enforce =>
            {
                self.refuse(connection, guard, Reason::AuditQueueFull).await
            }
            Decision::Permitted(permit) => {
                let route = Route {
                    endpoint: session.endpoint,
                    destination: session.flow.original_destination,
                    elevation: session.identity.caller.elevation,
                    key: key.as_deref().map(|issued| &issued.key),
                };
                self.forward(connection, (permit, body), route, guard).await
            }
        }
    }

    /// Decides about a request and reads the body of a permitted one, but an upload's.
    async fn decide(
        &self,
        connection: &mut Connection<TcpStream>,
        session: &Session<'_>,
        request: Request,
        guard: &mut AuditGuard,
    ) -> Result<(Option<Ruling>, Bytes), ReadError> {
        let matter = Matter {
            index: session.index,
            endpoint: session.endpoint,
            caller: &session.identity.caller,
        };
        let ruling = tokio::select! {
            // At once, unless the request is held.
            biased;
            ruling = self.judge.rule(request, matter, &session.stop) => ruling,
            // SECURITY: whoever does not wait for the answer must not be signed for later.
            () = connection.left() => return Err(gone().into()),
        };
        describe_ruling(guard, ruling.as_ref());
        let request = match ruling {
            Some(Ruling {
                decision: Decision::Permitted(permit),
                ..
            }) if is_buffered(permit.request()) => permit.into_request(),
            decided => return Ok((decided, Bytes::new())),
        };
        let body = connection.read_body(request.max_body_bytes()).await?;
        // SECURITY: whoever sends a body slowly could use a permission long after it is withdrawn.
        let ruling = self.judge.rule_now(request, matter);
        describe_ruling(guard, ruling.as_ref());
        Ok((ruling, body))
    }

    async fn forward(
        &self,
        connection: &mut Connection<TcpStream>,
        (permit, body): (Permit, Bytes),
        route: Route<'_>,
        mut guard: AuditGuard,
    ) -> Next {
        guard.record.signed = permit.signing() == latchkey_policy::Signing::Signed;
        let forwarding = self.forwarder.forward(permit, body, route, connection);
        match forwarding.await {
            Ok(response) => {
                guard.record.status = Some(response.status().as_u16());
                self.return_response(connection, response, guard).await
            }
            Err(error) => self.fail(connection, &error, guard).await,
        }
    }

    async fn return_response<B>(
        &self,
        connection: &mut Connection<TcpStream>,
        response: Response<B>,
        mut guard: AuditGuard,
    ) -> Next
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match connection.respond(response).await {
            Ok(keep_alive) => {
                guard.record.outcome = Outcome::Forwarded;
                keep_alive.into()
            }
            Err(WriteError::Client(_)) => Next::Close,
            Err(WriteError::Body(error)) => {
                tracing::warn!(
                    error = &*error as &dyn std::error::Error,
                    "the host's response broke off"
                );
                guard.record.outcome = Outcome::Failed;
                guard.record.reason = Some(match error.downcast_ref() {
                    Some(ResponseBodyError::Timeout) => Reason::UpstreamTimeout,
                    _ => Reason::UpstreamInvalid,
                });
                Next::Reset
            }
        }
    }

    /// Answers for a host that gave no usable answer, or a client that sent no usable body.
    async fn fail(
        &self,
        connection: &mut Connection<TcpStream>,
        error: &ForwardError,
        mut guard: AuditGuard,
    ) -> Next {
        guard.record.signed &= error.has_travelled();
        let Some(reason) = error.reason() else {
            return Next::Close;
        };
        if let ForwardError::Client(_) = error {
            return self.refuse(connection, guard, reason).await;
        }
        tracing::warn!(
            error = error as &dyn std::error::Error,
            "request could not be forwarded"
        );
        guard.record.outcome = Outcome::Failed;
        self.answer(connection, guard, reason).await
    }

    async fn refuse(
        &self,
        connection: &mut Connection<TcpStream>,
        mut guard: AuditGuard,
        reason: Reason,
    ) -> Next {
        guard.record.outcome = Outcome::Refused;
        self.answer(connection, guard, reason).await
    }

    async fn answer(
        &self,
        connection: &mut Connection<TcpStream>,
        mut guard: AuditGuard,
        reason: Reason,
    ) -> Next {
        guard.record.reason = Some(reason);
        connection.end();
        if connection.respond(problem(reason)).await.is_ok() {
            guard.record.status = Some(reason.status());
        }
        Next::Close
    }
}

/// Reads the next head; a client that says nothing for `grace` once the agent stops gets none.
async fn next_unless(
    connection: &mut Connection<TcpStream>,
    stop: &mut watch::Receiver<bool>,
    grace: Duration,
) -> Result<Option<RequestHead>, ReadError> {
    let stopped = async {
        // Without anybody to tell it, the agent stops too.
        drop(stop.wait_for(|stop| *stop).await);
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        biased;
        head = connection.next() => return head,
        () = stopped => {}
    }
    if connection.is_idle() {
        return Ok(None);
    }
    connection.next().await
}

fn reset(stream: &TcpStream) {
    // Without it the connection ends in order, which only a client of HTTP/1.0 takes for the end.
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "SO_LINGER is not set"
        );
    }
}

fn describe_session(guard: &mut AuditGuard, session: &Session<'_>) {
    let record = &mut guard.record;
    record.endpoint = Some(Arc::clone(&session.endpoint_name));
    record.kind = Some(session.endpoint.kind);
    record.destination = Some(Arc::clone(&session.destination_text));
    record.caller = Some(Arc::clone(&session.identity.record));
}

fn describe_head(guard: &mut AuditGuard, head: &RequestHead) {
    guard.record.method = Some(head.method.as_str().to_owned());
    // Targets are ASCII, so any length is a character border.
    let shown = head
        .target
        .get(..MAX_RECORDED_TARGET_BYTES)
        .unwrap_or(&head.target);
    guard.record.target = Some(shown.to_owned());
}

fn describe_ruling(guard: &mut AuditGuard, ruling: Option<&Ruling>) {
    let Some(Ruling { decision, .. }) = ruling else {
        return;
    };
    let basis = decision.basis();
    guard.record.mode = Some(basis.mode());
    guard.record.rules = basis.rules().and_then(RuleSet::id).map(str::to_owned);
    guard.record.rule = basis.rule().map(ToString::to_string);
    guard.record.would_refuse = match decision {
        Decision::Permitted(permit) => permit.would_refuse(),
        Decision::Refused(_) => None,
    };
}

fn gone() -> std::io::Error {
    std::io::ErrorKind::ConnectionAborted.into()
}

/// Returns whether a request's body is read whole before it is forwarded.
const fn is_buffered(request: &Request) -> bool {
    request.upload().is_none() && !matches!(request.head().framing, Framing::Empty)
}
