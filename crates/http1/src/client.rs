//! Connections to a server: pooled per destination, given back only after a whole response.
//!
//! A connection on which anything went wrong, whose request was not sent or whose response was not
//! read to its end, is closed at once. A safe request is tried once more when a pooled connection
//! turns out to be dead.

mod body;
mod error;
mod link;
mod places;
mod upload;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::InvalidUri;
use http::{Request, Response, Uri};
use http_body_util::{Either, Full};
use latchkey_protocol::RequestHead;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::Connection;
pub use body::{ResponseBody, ResponseBodyError};
pub use error::{UploadError, UpstreamError};
use link::{Failure, Link};
pub use places::{Place, Places};
use upload::{Upload, UploadBody};

/// How many requests may be under way per destination, and so how many connections are open, if
/// nothing else is said: hosts bound the connections of one machine, and break off those that are
/// too many.
pub const MAX_UNDER_WAY: usize = 128;
/// How many idle connections are kept per destination.
const MAX_IDLE: usize = 64;
/// How long an idle connection is trusted.
const MAX_IDLE_TIME: Duration = Duration::from_secs(50);

/// How long the server may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// To accept a connection.
    pub connect: Duration,
    /// From the request to the response's head, and from one piece of a body to the next.
    pub response: Duration,
}

/// Is told of every connection that is opened, to count it.
pub trait ConnectionTally: fmt::Debug + Send + Sync {
    /// One more is open.
    fn opened(&self);
}

/// A body that goes to the server: known whole, or streamed.
type RequestBody = Either<Full<Bytes>, UploadBody>;

/// The pool.
#[derive(Debug)]
pub struct Upstreams {
    idle: Mutex<HashMap<SocketAddr, Vec<Idle>>>,
    places: Places<SocketAddr>,
    patience: Patience,
    tasks: TaskTracker,
    tally: Arc<dyn ConnectionTally>,
}

#[derive(Debug)]
struct Idle {
    link: Link,
    since: Instant,
}

/// Whether a connection may carry another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reuse {
    Pooled,
    Never,
}

impl Upstreams {
    /// Makes an empty pool; `tasks` drives its connections.
    #[must_use]
    pub fn new(
        patience: Patience,
        tasks: TaskTracker,
        tally: Arc<impl ConnectionTally + 'static>,
    ) -> Self {
        Self {
            idle: Mutex::default(),
            places: Places::new(MAX_UNDER_WAY),
            patience,
            tasks,
            tally,
        }
    }

    /// Bounds the requests under way per destination.
    #[must_use]
    pub fn with_max_under_way(self, max: usize) -> Self {
        Self {
            places: Places::new(max),
            ..self
        }
    }

    /// Sends a request whose body is known whole.
    ///
    /// # Errors
    /// When the server gives no usable answer.
    pub async fn send(
        self: &Arc<Self>,
        destination: SocketAddr,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<ResponseBody>, UpstreamError> {
        let place = self.place(destination).await?;
        let response = self.send_in_place(destination, request).await?;
        Ok(response.map(|body| body.occupying(place)))
    }

    /// Sends a request and streams to it the body that `connection` reads, while waiting for the
    /// answer; always on a fresh connection, since it cannot be sent twice.
    ///
    /// # Errors
    /// When the body does not arrive well, or the server gives no usable answer.
    pub async fn stream<S>(
        self: &Arc<Self>,
        destination: SocketAddr,
        request: Request<()>,
        connection: &mut Connection<S>,
    ) -> Result<Response<ResponseBody>, UploadError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut upload, body) = Upload::open();
        let answer = self.send_streamed(destination, request.map(|()| body));
        let mut answer = pin!(answer);
        let response = tokio::select! {
            biased;
            response = &mut answer => response?,
            pumped = upload.pump(connection, destination, self.patience.response) => {
                pumped?;
                self.in_time(destination, answer).await?
            }
        };
        Ok(response.map(|body| body.holding(upload)))
    }

    /// Waits for a place among the requests under way, in the order of asking.
    async fn place(&self, destination: SocketAddr) -> Result<Place, UpstreamError> {
        let patience = self.patience.response;
        let place = self.places.take(destination, patience).await;
        place.ok_or(UpstreamError::Busy {
            destination,
            patience,
        })
    }

    async fn send_in_place(
        self: &Arc<Self>,
        destination: SocketAddr,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<ResponseBody>, UpstreamError> {
        let again = request.method().is_safe().then(|| request.clone());
        let request = request.map(Either::Left);
        let Some(pooled) = self.pooled(destination) else {
            let fresh = self.connect(destination).await?;
            let result = self.send_over(destination, fresh, request).await;
            return result.map_err(Into::into);
        };
        let failure = match self.send_over(destination, pooled, request).await {
            Ok(response) => return Ok(response),
            Err(failure) => failure,
        };
        let request = match (failure, again) {
            (
                Failure {
                    request: Some(unsent),
                    ..
                },
                _,
            ) => unsent,
            (
                Failure {
                    error: UpstreamError::Invalid { .. },
                    ..
                },
                Some(again),
            ) => again.map(Either::Left),
            (failure, _) => return Err(failure.into()),
        };
        let fresh = self.connect(destination).await?;
        let result = self.send_over(destination, fresh, request).await;
        result.map_err(Into::into)
    }

    async fn send_streamed(
        self: &Arc<Self>,
        destination: SocketAddr,
        request: Request<UploadBody>,
    ) -> Result<Response<ResponseBody>, UpstreamError> {
        let place = self.place(destination).await?;
        let fresh = self.connect(destination).await?;
        let request = request.map(Either::Right);
        let response = self
            .exchange(destination, fresh, request, Reuse::Never)
            .await?;
        Ok(response.map(|body| body.occupying(place)))
    }

    /// Waits for an answer of the server as long as it may take.
    async fn in_time<T, E: From<UpstreamError>>(
        &self,
        destination: SocketAddr,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let patience = self.patience.response;
        let late = UpstreamError::Timeout {
            destination,
            patience,
        };
        timeout(patience, answer)
            .await
            .unwrap_or_else(|_elapsed| Err(late.into()))
    }

    async fn send_over(
        self: &Arc<Self>,
        destination: SocketAddr,
        link: Link,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Failure> {
        let answer = self.exchange(destination, link, request, Reuse::Pooled);
        self.in_time(destination, answer).await
    }

    fn pooled(&self, destination: SocketAddr) -> Option<Link> {
        let mut idle = self.idle.lock().ok()?;
        let connections = idle.get_mut(&destination)?;
        while let Some(Idle { link, since }) = connections.pop() {
            if since.elapsed() < MAX_IDLE_TIME && link.is_ready() {
                return Some(link);
            }
        }
        None
    }

    async fn connect(&self, destination: SocketAddr) -> Result<Link, UpstreamError> {
        let link = Link::connect(destination, self.patience.connect, &self.tasks).await?;
        self.tally.opened();
        Ok(link)
    }

    async fn exchange(
        self: &Arc<Self>,
        destination: SocketAddr,
        mut link: Link,
        request: Request<RequestBody>,
        reuse: Reuse,
    ) -> Result<Response<ResponseBody>, Failure> {
        let response = link.exchange(request).await?;
        let lease = Lease {
            pool: Arc::clone(self),
            destination,
            link,
            reuse,
        };
        Ok(response.map(|incoming| ResponseBody::new(incoming, lease)))
    }
}

/// A connection that is in use.
#[derive(Debug)]
struct Lease {
    pool: Arc<Upstreams>,
    destination: SocketAddr,
    link: Link,
    reuse: Reuse,
}

impl Lease {
    fn give_back(self) {
        let Ok(mut idle) = self.pool.idle.lock() else {
            return;
        };
        let connections = idle.entry(self.destination).or_default();
        let is_usable = self.reuse == Reuse::Pooled && !self.link.is_closed();
        if is_usable && connections.len() < MAX_IDLE {
            connections.push(Idle {
                link: self.link,
                since: Instant::now(),
            });
        }
    }
}

/// Makes a head that was received into a request that can be sent, its target as it stands.
///
/// # Errors
/// When the target is no URI.
pub fn request<B>(head: RequestHead, body: B) -> Result<Request<B>, InvalidUri> {
    let target = head.target.parse::<Uri>()?;
    let mut request = Request::new(body);
    *request.method_mut() = head.method;
    *request.uri_mut() = target;
    *request.headers_mut() = head.headers;
    Ok(request)
}
