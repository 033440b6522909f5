//! The calls of the secure channel, as a guest makes them: status, key, attestation.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use latchkey_protocol::header::{HOST_AUTHORIZATION, HOST_CLAIMS, HOST_DATE};
use latchkey_protocol::latch::{self, IssuedKey, IssuedKeyError};
use latchkey_protocol::signature::Signable;
use latchkey_protocol::status::{SecureChannel, StatusError};
use latchkey_protocol::{Claims, Elevation, SigningKey};

use crate::clock::HostClock;
use crate::upstream::{UpstreamError, Upstreams};

/// The longest answer that is read, in bytes: rules may be large.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// How long a call may take in all, however the host spreads its answer.
const CALL_PATIENCE: Duration = Duration::from_secs(30);
const METADATA: HeaderName = HeaderName::from_static("metadata");

/// Makes the calls.
#[derive(Debug)]
pub struct ChannelClient {
    upstreams: Arc<Upstreams>,
    clock: Arc<HostClock>,
    host: SocketAddr,
}

/// A call of the secure channel failed.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The host gave no usable answer.
    #[error("{call}")]
    Upstream {
        /// Which call.
        call: &'static str,
        /// Why not.
        #[source]
        source: UpstreamError,
    },
    /// The host took too long.
    #[error("{call}: no whole answer in {CALL_PATIENCE:?}")]
    Late {
        /// Which call.
        call: &'static str,
    },
    /// The answer's body broke off or was too large.
    #[error("{call}: the answer cannot be read")]
    Body {
        /// Which call.
        call: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The host refused.
    #[error("{call}: the host answered {status}")]
    Refused {
        /// Which call.
        call: &'static str,
        /// With what.
        status: StatusCode,
    },
    /// The status cannot be understood.
    #[error("understand the secure channel's status")]
    Status(#[from] StatusError),
    /// The issued key cannot be used.
    #[error("use the key that the host issued")]
    Key(#[from] IssuedKeyError),
    /// The call could not be built: a bug.
    #[error("BUG: {call}: the request cannot be built")]
    Bug {
        /// Which call.
        call: &'static str,
    },
}

struct Call<'a> {
    name: &'static str,
    method: Method,
    path: &'a str,
    body: &'static str,
    key: Option<&'a SigningKey>,
}

impl ChannelClient {
    /// Makes a client of the host at `host`, which also tells `clock` the time.
    #[must_use]
    pub const fn new(upstreams: Arc<Upstreams>, clock: Arc<HostClock>, host: SocketAddr) -> Self {
        Self {
            upstreams,
            clock,
            host,
        }
    }

    /// Asks which endpoints are protected how, and which key is latched.
    ///
    /// # Errors
    /// When the host gives no answer that can be understood whole.
    pub async fn status(&self) -> Result<SecureChannel, ChannelError> {
        let call = Call {
            name: "ask for the secure channel's status",
            method: Method::GET,
            path: latch::STATUS_PATH,
            body: "",
            key: None,
        };
        let (status, body) = self.make(&call).await?;
        if !status.is_success() {
            return Err(ChannelError::Refused {
                call: call.name,
                status,
            });
        }
        Ok(SecureChannel::parse(&body)?)
    }

    /// Asks for a new key.
    ///
    /// # Errors
    /// When the host issues none that can be used.
    pub async fn acquire(&self) -> Result<IssuedKey, ChannelError> {
        let call = Call {
            name: "ask for a key",
            method: Method::POST,
            path: latch::KEY_PATH,
            body: latch::KEY_REQUEST_BODY,
            key: None,
        };
        let (status, body) = self.make(&call).await?;
        if status != StatusCode::OK {
            return Err(ChannelError::Refused {
                call: call.name,
                status,
            });
        }
        Ok(IssuedKey::parse(&body)?)
    }

    /// Proves to the host that this key has arrived.
    ///
    /// # Errors
    /// When the host does not accept the proof.
    pub async fn attest(&self, key: &SigningKey) -> Result<(), ChannelError> {
        let path = latch::attestation_path(key.id());
        let call = Call {
            name: "attest the key",
            method: Method::POST,
            path: &path,
            body: "",
            key: Some(key),
        };
        match self.make(&call).await? {
            (StatusCode::OK, _) => Ok(()),
            (status, _) => Err(ChannelError::Refused {
                call: call.name,
                status,
            }),
        }
    }

    async fn make(&self, call: &Call<'_>) -> Result<(StatusCode, Bytes), ChannelError> {
        let made = tokio::time::timeout(CALL_PATIENCE, self.exchange(call));
        made.await
            .map_err(|_elapsed| ChannelError::Late { call: call.name })?
    }

    async fn exchange(&self, call: &Call<'_>) -> Result<(StatusCode, Bytes), ChannelError> {
        let request = self
            .build(call)
            .ok_or(ChannelError::Bug { call: call.name })?;
        let response = self.upstreams.send(self.host, request).await;
        let response = response.map_err(|source| ChannelError::Upstream {
            call: call.name,
            source,
        })?;
        self.clock.synchronise(response.headers());
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
            .collect()
            .await;
        let body = body.map_err(|source| ChannelError::Body {
            call: call.name,
            source,
        })?;
        Ok((status, body.to_bytes()))
    }

    fn build(&self, call: &Call<'_>) -> Option<Request<Full<Bytes>>> {
        let mut headers = self.headers(call)?;
        if let Some(key) = call.key {
            let body = call.body.as_bytes();
            let signable = Signable {
                method: &call.method,
                target: call.path,
                headers: &headers,
                body,
            };
            let authorization = key.sign(&signable).ok()?;
            headers.insert(HOST_AUTHORIZATION, authorization.header_value());
        }
        let mut request = Request::new(Full::from(call.body));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = call.path.parse::<Uri>().ok()?;
        *request.headers_mut() = headers;
        Some(request)
    }

    /// The headers in the order in which deployed agents send them.
    fn headers(&self, call: &Call<'_>) -> Option<HeaderMap> {
        let claims = Claims {
            elevation: Elevation::Root,
        }
        .header_value();
        let host = match self.host.port() {
            80 => self.host.ip().to_string(),
            _ => self.host.to_string(),
        };
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(HOST_DATE, self.clock.date());
        headers.insert(HOST, HeaderValue::try_from(host).ok()?);
        headers.insert(HOST_CLAIMS, HeaderValue::from_static(claims));
        headers.insert(CONTENT_LENGTH, call.body.len().into());
        headers.insert(METADATA, HeaderValue::from_static(latch::METADATA_VALUE));
        if !call.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Some(headers)
    }
}
