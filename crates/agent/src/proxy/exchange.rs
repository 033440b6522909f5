//! One request on its way: decided, its body read, forwarded or refused, recorded.

use bytes::Bytes;
use http::Response;
use latchkey_http1::{Connection, ReadError, WriteError, problem};
use latchkey_policy::{Decision, Permit};
use latchkey_protocol::{Framing, Mode, Reason, Request, RequestHead};
use latchkey_record::audit::Outcome;
use tokio::net::TcpStream;

use super::description::{describe_head, describe_ruling, describe_session};
use super::presence::Presence;
use super::{Next, Proxy, Session};
use crate::audit::{AuditGuard, QueueState};
use crate::forward::{ForwardError, Route};
use crate::judge::Ruling;
use crate::upstream::ResponseBodyError;

impl Proxy {
    /// Serves the request that a head begins, or refuses what is none.
    pub(super) async fn serve_request(
        &self,
        connection: &mut Connection<TcpStream>,
        session: &mut Session<'_>,
        head: Result<Option<RequestHead>, ReadError>,
    ) -> Next {
        if let Ok(None) = head {
            return Next::Close;
        }
        let (mut guard, queue) = self.audit.begin();
        self.look(session).await;
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
        session: &mut Session<'_>,
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
        session: &mut Session<'_>,
        request: Request,
        guard: &mut AuditGuard,
    ) -> Result<(Option<Ruling>, Bytes), ReadError> {
        let ruling = tokio::select! {
            // At once, unless the request is held.
            biased;
            ruling = self.judge.rule(request, session.matter(), &session.stop) => ruling,
            // SECURITY: whoever does not wait for the answer must not be signed for later.
            () = connection.left() => return Err(gone().into()),
        };
        describe_ruling(guard, ruling.as_ref());
        let (permit, key) = match ruling {
            Some(Ruling {
                decision: Decision::Permitted(permit),
                key,
            }) => (permit, key),
            refused => return Ok((refused, Bytes::new())),
        };
        let is_buffered = is_buffered(permit.request());
        let body = if is_buffered {
            let limit = permit.request().max_body_bytes();
            connection.read_body(limit).await?
        } else {
            Bytes::new()
        };
        // SECURITY: who sends over a connection is told a moment after it was sent, and a caller may
        // have been replaced while its request was held or its body arrived.
        if self.look_again(session) == Presence::Unchanged && !is_buffered {
            let decision = Decision::Permitted(permit);
            return Ok((Some(Ruling { decision, key }), body));
        }
        describe_session(guard, session);
        // SECURITY: whoever sends a body slowly could use a permission long after it is withdrawn.
        let ruling = self.judge.rule_now(permit.into_request(), session.matter());
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

    pub(super) async fn refuse(
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

fn gone() -> std::io::Error {
    std::io::ErrorKind::ConnectionAborted.into()
}

/// Returns whether a request's body is read whole before it is forwarded.
const fn is_buffered(request: &Request) -> bool {
    request.upload().is_none() && !matches!(request.head().framing, Framing::Empty)
}
