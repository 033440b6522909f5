//! Connections to the host: pooled per destination, given back only after a whole response.
//!
//! A connection on which anything went wrong, whose request was not sent or whose response was not
//! read to its end, is closed at once. A safe request is tried once more when a pooled connection
//! turns out to be dead.

mod body;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::counters::Counters;
use crate::upload::UploadBody;
pub use body::{ResponseBody, ResponseBodyError};

/// How many requests may be under way per destination, and so how many connections are open:
/// hosts bound the connections of one machine, and break off those that are too many.
pub(crate) const MAX_UNDER_WAY: usize = 128;
/// How many idle connections are kept per destination.
const MAX_IDLE: usize = 64;
/// How long an idle connection is trusted.
const MAX_IDLE_TIME: Duration = Duration::from_secs(50);

/// How long the host may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// To accept a connection.
    pub connect: Duration,
    /// From the request to the response's head, and from one piece of a body to the next.
    pub response: Duration,
}

/// A body that goes to the host: known whole, or streamed.
pub type RequestBody = Either<Full<Bytes>, UploadBody>;

/// Why the host gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection could be opened, or not in time.
    #[error("connect to {destination}")]
    Connect {
        /// Where to.
        destination: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Too many requests were under way for as long as the host may take.
    #[error("no place among {MAX_UNDER_WAY} requests to {destination} in {patience:?}")]
    Busy {
        /// Where to.
        destination: SocketAddr,
        /// How long was waited.
        patience: Duration,
    },
    /// It did not answer in time.
    #[error("{destination} did not answer in {patience:?}")]
    Timeout {
        /// Who did not.
        destination: SocketAddr,
        /// How long was waited.
        patience: Duration,
    },
    /// It answered with a status that ends no request, such as a switch of protocols.
    #[error("{destination} answered {status}, which is no response")]
    NoResponse {
        /// Who did.
        destination: SocketAddr,
        /// With what.
        status: StatusCode,
    },
    /// It broke off, or answered in something else than HTTP.
    #[error("{destination} broke off or did not answer in HTTP")]
    Invalid {
        /// Who did.
        destination: SocketAddr,
        /// What happened.
        #[source]
        source: hyper::Error,
    },
}

/// The pool.
#[derive(Debug)]
pub struct Upstreams {
    idle: Mutex<HashMap<SocketAddr, Vec<Idle>>>,
    places: Mutex<HashMap<SocketAddr, Arc<Semaphore>>>,
    patience: Patience,
    tasks: TaskTracker,
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct Idle {
    link: Link,
    since: Instant,
}

/// One connection; closed when dropped, whatever state it is in.
#[derive(Debug)]
struct Link {
    sender: SendRequest<RequestBody>,
    driver: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
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
    pub fn new(patience: Patience, tasks: TaskTracker, counters: Arc<Counters>) -> Self {
        Self {
            idle: Mutex::default(),
            places: Mutex::default(),
            patience,
            tasks,
            counters,
        }
    }

    /// Sends a request whose body is known whole.
    ///
    /// # Errors
    /// When the host gives no usable answer.
    pub async fn send(
        self: &Arc<Self>,
        destination: SocketAddr,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<ResponseBody>, UpstreamError> {
        let place = self.place(destination).await?;
        let response = self.send_in_place(destination, request).await?;
        Ok(response.map(|body| body.occupying(place)))
    }

    /// Waits for a place among the requests under way, in the order of asking.
    async fn place(&self, destination: SocketAddr) -> Result<OwnedSemaphorePermit, UpstreamError> {
        let patience = self.patience.response;
        let busy = UpstreamError::Busy {
            destination,
            patience,
        };
        let places = match self.places.lock() {
            Ok(mut places) => Arc::clone(
                places
                    .entry(destination)
                    .or_insert_with(|| Arc::new(Semaphore::new(MAX_UNDER_WAY))),
            ),
            Err(_) => return Err(busy),
        };
        match timeout(patience, places.acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(busy),
        }
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

    /// Sends a request whose body is streamed; always on a fresh connection, since it cannot be
    /// sent twice.
    ///
    /// # Errors
    /// When the host gives no usable answer.
    pub async fn send_streamed(
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

    /// Returns how long the host may take.
    #[must_use]
    pub const fn patience(&self) -> Patience {
        self.patience
    }

    /// Waits for an answer of the host as long as it may take.
    ///
    /// # Errors
    /// When it takes longer, or the answer is one.
    pub async fn in_time<T, E: From<UpstreamError>>(
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
            // One that is not ready is still sending a request whose answer came early.
            if since.elapsed() < MAX_IDLE_TIME && link.sender.is_ready() {
                return Some(link);
            }
        }
        None
    }

    async fn connect(&self, destination: SocketAddr) -> Result<Link, UpstreamError> {
        let failed = |source| UpstreamError::Connect {
            destination,
            source,
        };
        let stream = timeout(self.patience.connect, TcpStream::connect(destination))
            .await
            .unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
            .map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|source| UpstreamError::Invalid {
                    destination,
                    source,
                })?;
        self.counters.upstream_connections.add();
        let driving = self.tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%destination, error = &error as &dyn std::error::Error, "upstream connection ended");
            }
        });
        Ok(Link {
            sender,
            driver: driving.abort_handle(),
        })
    }

    async fn exchange(
        self: &Arc<Self>,
        destination: SocketAddr,
        mut link: Link,
        request: Request<RequestBody>,
        reuse: Reuse,
    ) -> Result<Response<ResponseBody>, Failure> {
        let invalid = |source| UpstreamError::Invalid {
            destination,
            source,
        };
        if let Err(error) = link.sender.ready().await {
            return Err(Failure {
                error: invalid(error),
                request: Some(request),
            });
        }
        match link.sender.try_send_request(request).await {
            Err(mut failed) => {
                let request = failed.take_message();
                Err(Failure {
                    error: invalid(failed.into_error()),
                    request,
                })
            }
            Ok(response) if response.status().is_informational() => {
                let status = response.status();
                Err(UpstreamError::NoResponse {
                    destination,
                    status,
                }
                .into())
            }
            Ok(response) => {
                let lease = Lease {
                    pool: Arc::clone(self),
                    destination,
                    link,
                    reuse,
                };
                Ok(response.map(|incoming| ResponseBody::new(incoming, lease)))
            }
        }
    }
}

/// A failed exchange, with the request if no byte of it was sent.
struct Failure {
    error: UpstreamError,
    request: Option<Request<RequestBody>>,
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        Self {
            error,
            request: None,
        }
    }
}

impl From<Failure> for UpstreamError {
    fn from(failure: Failure) -> Self {
        failure.error
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
        let is_usable = self.reuse == Reuse::Pooled && !self.link.sender.is_closed();
        if is_usable && connections.len() < MAX_IDLE {
            connections.push(Idle {
                link: self.link,
                since: Instant::now(),
            });
        }
    }
}
