//! The way of a connection through the agent: taken from the kernel, admitted, attributed, served request by request.
//!
//! A connection without a flow record is refused before anything of it is parsed. Every
//! request is judged on its own (`exchange`); after a refusal the connection closes, so that
//! bytes behind it are never taken for a request.

mod description;
mod exchange;
mod presence;

use std::sync::Arc;
use std::time::Duration;

use latchkey_http1::{Connection, KeepAlive, Limits, ReadError};
use latchkey_intercept::{FlowError, FlowRecord, FlowTable, Standing};
use latchkey_protocol::{Endpoint, EndpointTable, Reason, RequestHead};
use latchkey_record::audit::Outcome;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::admission::Users;
use crate::audit::{AuditGuard, AuditTrail};
use crate::counters::Counters;
use crate::forward::Forwarder;
use crate::identity::{self, Identity, IdentityResolver};
use crate::judge::{Judge, Matter};

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

    /// Finds out what has become of a caller since it connected. Does not block.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    fn standing(&self, flow: &FlowRecord) -> Result<Standing, FlowError>;
}

impl FlowSource for FlowTable {
    fn take(&self, accepted: &TcpStream) -> Result<Option<FlowRecord>, FlowError> {
        Self::take(self, accepted)
    }

    fn standing(&self, flow: &FlowRecord) -> Result<Standing, FlowError> {
        Self::standing(self, flow)
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
    /// Who asks; looked at anew for each request.
    identity: Arc<Identity>,
    endpoint_name: Arc<str>,
    destination_text: Arc<str>,
}

impl Session<'_> {
    fn matter(&self) -> Matter<'_> {
        Matter {
            index: self.index,
            endpoint: self.endpoint,
            caller: &self.identity.caller,
        }
    }
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
        let mut session = match self.attribute(flow, &stop).await {
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
            match self
                .serve_request(&mut connection, &mut session, head)
                .await
            {
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
