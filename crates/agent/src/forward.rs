//! Sends a permitted request to the host: cleaned, dated, claimed, signed over the very bytes that travel.
//!
//! Takes a [`Permit`] and nothing less. Bodies are there whole because the signature covers
//! them; the two uploads stream and are never signed. Targets travel as received.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderValue};
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use latchkey_http1::{Connection, ReadError, client};
use latchkey_policy::{Permit, Signing};
use latchkey_protocol::header::{self, HOST_AUTHORIZATION, HOST_CLAIMS, HOST_DATE};
use latchkey_protocol::signature::Signable;
use latchkey_protocol::{Claims, Elevation, Endpoint, Framing, Reason, RequestHead, SigningKey};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::clock::HostClock;
use crate::upstream::{ResponseBody, UploadError, UpstreamError, Upstreams};

/// The value that deployed agents put into their responses.
const FORWARDED_MARK: HeaderValue = HeaderValue::from_static("value");

/// Why a permitted request was not answered by the host.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The client did not send its body well, or is gone.
    #[error(transparent)]
    Client(#[from] ReadError),
    /// The host gave no usable answer.
    #[error(transparent)]
    Host(#[from] UpstreamError),
    /// The request could not be built or signed: a bug, since only what can be signed is permitted.
    #[error("BUG: a permitted request could not be {0}")]
    Bug(&'static str),
}

impl ForwardError {
    /// Returns the reason to answer with; none when there is nobody to answer.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Client(ReadError::Refused(reason)) => Some(*reason),
            Self::Client(ReadError::Io(_)) => None,
            Self::Host(error) => Some(error.reason()),
            Self::Bug(_) => Some(Reason::InternalError),
        }
    }

    /// Returns whether the host may have received the request.
    #[must_use]
    pub const fn has_travelled(&self) -> bool {
        match self {
            Self::Host(error) => error.has_travelled(),
            Self::Client(_) | Self::Bug(_) => false,
        }
    }
}

impl From<UploadError> for ForwardError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Client(error) => error.into(),
            UploadError::Server(error) => error.into(),
        }
    }
}

/// Where a request goes, and in whose name.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// The address that the caller asked for.
    pub destination: SocketAddr,
    /// What is claimed about the caller.
    pub elevation: Elevation,
    /// The key, as it was when the request was decided.
    pub key: Option<&'a SigningKey>,
}

/// Forwards permitted requests.
#[derive(Debug)]
pub struct Forwarder {
    upstreams: Arc<Upstreams>,
    clock: Arc<HostClock>,
}

impl Forwarder {
    /// Makes a forwarder over a pool, dating by the host's clock.
    #[must_use]
    pub const fn new(upstreams: Arc<Upstreams>, clock: Arc<HostClock>) -> Self {
        Self { upstreams, clock }
    }

    /// Sends the permitted request with its `body`, an upload's from `connection`, and returns the
    /// host's response as it begins.
    ///
    /// # Errors
    /// When an upload does not arrive well or the host gives no usable answer.
    pub async fn forward<S>(
        &self,
        permit: Permit,
        body: Bytes,
        route: Route<'_>,
        connection: &mut Connection<S>,
    ) -> Result<Response<ResponseBody>, ForwardError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let response = match permit.request().upload() {
            Some(_) => self.stream(permit, route, connection).await?,
            None => {
                let signing = permit.signing();
                let request =
                    self.prepare(permit.into_request().into_head(), body, signing, route)?;
                self.upstreams.send(route.destination, request).await?
            }
        };
        Ok(returned(response, route.endpoint))
    }

    /// Builds the request that travels.
    fn prepare(
        &self,
        mut head: RequestHead,
        body: Bytes,
        signing: Signing,
        route: Route<'_>,
    ) -> Result<Request<Full<Bytes>>, ForwardError> {
        clean(&mut head, route)?;
        if head.framing != Framing::Empty || !body.is_empty() {
            head.headers.insert(CONTENT_LENGTH, body.len().into());
        }
        if signing == Signing::Signed {
            self.sign(&mut head, &body, route)?;
        }
        build(head, Full::new(body))
    }

    fn sign(
        &self,
        head: &mut RequestHead,
        body: &[u8],
        route: Route<'_>,
    ) -> Result<(), ForwardError> {
        let key = route
            .key
            .ok_or(ForwardError::Bug("signed: there is no key"))?;
        header::combine_lists(&mut head.headers);
        self.claim(&mut head.headers, route.elevation);
        let RequestHead {
            method,
            target,
            headers,
            ..
        } = &*head;
        let authorization = key
            .sign(&Signable {
                method,
                target,
                headers,
                body,
            })
            .map_err(|_unsignable| ForwardError::Bug("signed: a header is not ASCII"))?;
        head.headers
            .insert(HOST_AUTHORIZATION, authorization.header_value());
        Ok(())
    }

    fn claim(&self, headers: &mut HeaderMap, elevation: Elevation) {
        let claims = Claims { elevation }.header_value();
        headers.insert(HOST_CLAIMS, HeaderValue::from_static(claims));
        headers.insert(HOST_DATE, self.clock.date());
    }

    /// Streams an upload to the host while waiting for its answer.
    async fn stream<S>(
        &self,
        permit: Permit,
        route: Route<'_>,
        connection: &mut Connection<S>,
    ) -> Result<Response<ResponseBody>, ForwardError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut head = permit.into_request().into_head();
        clean(&mut head, route)?;
        self.claim(&mut head.headers, route.elevation);
        if head.framing == Framing::Empty {
            let request = build(head, Full::default())?;
            return Ok(self.upstreams.send(route.destination, request).await?);
        }
        let request = build(head, ())?;
        let answer = self
            .upstreams
            .stream(route.destination, request, connection);
        Ok(answer.await?)
    }
}

/// Drops what may not travel on; a request of HTTP/1.0 gets the host that it need not name.
fn clean(head: &mut RequestHead, route: Route<'_>) -> Result<(), ForwardError> {
    header::strip(&mut head.headers);
    if !head.headers.contains_key(HOST) {
        let host = match route.destination.port() {
            80 => route.destination.ip().to_string(),
            _ => route.destination.to_string(),
        };
        let host =
            HeaderValue::try_from(host).map_err(|_bytes| ForwardError::Bug("given a host"))?;
        head.headers.insert(HOST, host);
    }
    Ok(())
}

fn build<B>(head: RequestHead, body: B) -> Result<Request<B>, ForwardError> {
    client::request(head, body).map_err(|_uri| ForwardError::Bug("given its target"))
}

/// Cleans the host's response for the client.
fn returned(mut response: Response<ResponseBody>, endpoint: &Endpoint) -> Response<ResponseBody> {
    header::strip_hop_by_hop(response.headers_mut());
    if endpoint.msp {
        response
            .headers_mut()
            .insert(HOST_AUTHORIZATION, FORWARDED_MARK);
    }
    response
}
