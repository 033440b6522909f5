//! One connection to a server: opened in time, one request after the other, closed when dropped.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::{RequestBody, UpstreamError};

/// One connection; closed when dropped, whatever state it is in.
#[derive(Debug)]
pub(super) struct Link {
    destination: SocketAddr,
    sender: SendRequest<RequestBody>,
    driver: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    /// Connects in at most `patience`; `tasks` drives the connection.
    pub(super) async fn connect(
        destination: SocketAddr,
        patience: Duration,
        tasks: &TaskTracker,
    ) -> Result<Self, UpstreamError> {
        let failed = |source| UpstreamError::Connect {
            destination,
            source,
        };
        let stream = timeout(patience, TcpStream::connect(destination))
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
        let driving = tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%destination, error = &error as &dyn std::error::Error, "upstream connection ended");
            }
        });
        Ok(Self {
            destination,
            sender,
            driver: driving.abort_handle(),
        })
    }

    /// Returns whether another request can be sent at once. One that is not ready is still sending
    /// a request whose answer came early.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Returns whether the server has closed the connection.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and waits for the head of its response.
    pub(super) async fn exchange(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, Failure> {
        let destination = self.destination;
        let invalid = |source| UpstreamError::Invalid {
            destination,
            source,
        };
        if let Err(error) = self.sender.ready().await {
            return Err(Failure {
                error: invalid(error),
                request: Some(request),
            });
        }
        match self.sender.try_send_request(request).await {
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
            Ok(response) => Ok(response),
        }
    }
}

/// A failed exchange, with the request if no byte of it was sent.
pub(super) struct Failure {
    pub(super) error: UpstreamError,
    pub(super) request: Option<Request<RequestBody>>,
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
