//! A metadata service behind the gateway: gets what passed, without anything that a guest could pretend with.
//!
//! The method, the target, the `Host` header and the body travel as received. What the client gets
//! back is the service's own answer, redirects included; nothing is followed.

mod description;
mod value;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderValue};
use http_body_util::Full;
use latchkey_http1::client::{
    self, Patience, Places, ResponseBody, UploadError, UpstreamError, Upstreams,
};
use latchkey_http1::{Connection, ReadError};
use latchkey_protocol::{Framing, RequestHead, header};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::task::TaskTracker;

use crate::backend::{Asker, Reply};
use crate::counters::Counters;
use crate::machine::MachineId;
pub use description::{Description, DescriptionError, DescriptionHeaderError, Secret};
pub use value::ValueError;

/// Where a metadata service is, and how it is asked.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// Where it listens.
    pub address: SocketAddr,
    /// The headers by which it learns who asks.
    pub description: Description,
    /// How much is asked of it at once, and how long it may take.
    pub limits: UpstreamLimits,
}

/// How much is asked of a metadata service at once, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamLimits {
    /// How long it may take.
    pub patience: Patience,
    /// Requests under way in all; the rest wait their turn.
    pub requests: usize,
    /// Requests under way of one machine, so that none keeps the others waiting.
    pub requests_per_machine: usize,
}

/// A metadata service behind the gateway.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    description: Description,
    limits: UpstreamLimits,
    pool: Arc<Upstreams>,
    machines: Places<MachineId>,
}

/// Why a request that passed got no answer of the metadata service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForwardError {
    /// The client did not send its body well, or is gone.
    #[error(transparent)]
    Client(#[from] ReadError),
    /// The service gave no usable answer.
    #[error(transparent)]
    Service(#[from] UpstreamError),
    /// The machine cannot be described in the headers that the operator wants.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// The request could not be built: a bug, since it was read as one.
    #[error("BUG: a request could not be given its {0}")]
    Bug(&'static str),
}

impl From<UploadError> for ForwardError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Client(error) => error.into(),
            UploadError::Server(error) => error.into(),
        }
    }
}

impl Upstream {
    pub(crate) fn new(settings: UpstreamSettings, counters: Arc<Counters>) -> Self {
        let limits = settings.limits;
        let pool = Upstreams::new(limits.patience, TaskTracker::new(), counters);
        Self {
            address: settings.address,
            description: settings.description,
            limits,
            pool: Arc::new(pool.with_max_under_way(limits.requests)),
            machines: Places::new(limits.requests_per_machine),
        }
    }

    /// Sends a request whose body was read whole.
    pub(crate) async fn forward(
        &self,
        asker: &Asker<'_>,
        mut head: RequestHead,
        body: Bytes,
    ) -> Result<Reply, ForwardError> {
        self.clean(&mut head, asker)?;
        if head.framing != Framing::Empty || !body.is_empty() {
            head.headers.insert(CONTENT_LENGTH, body.len().into());
        }
        let request = client::request(head, Full::new(body)).map_err(no_target)?;
        let place = self.place(asker).await?;
        let response = self.pool.send(self.address, request).await?;
        Ok(Reply::streaming(returned(response), place))
    }

    /// Sends a request while its body arrives.
    pub(crate) async fn stream<S>(
        &self,
        asker: &Asker<'_>,
        mut head: RequestHead,
        connection: &mut Connection<S>,
    ) -> Result<Reply, ForwardError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        if head.framing == Framing::Empty {
            return self.forward(asker, head, Bytes::new()).await;
        }
        self.clean(&mut head, asker)?;
        let request = client::request(head, ()).map_err(no_target)?;
        let place = self.place(asker).await?;
        let answer = self.pool.stream(self.address, request, connection);
        Ok(Reply::streaming(returned(answer.await?), place))
    }

    /// Waits for one of the machine's places.
    async fn place(&self, asker: &Asker<'_>) -> Result<client::Place, UpstreamError> {
        let patience = self.limits.patience.response;
        let place = self.machines.take(asker.machine.id.clone(), patience).await;
        place.ok_or(UpstreamError::Busy {
            destination: self.address,
            patience,
        })
    }

    /// Leaves nothing in a head that the service could take for more than a guest's word.
    fn clean(&self, head: &mut RequestHead, asker: &Asker<'_>) -> Result<(), ForwardError> {
        let headers = &mut head.headers;
        header::strip_hop_by_hop(headers);
        header::strip(headers);
        header::strip_origin(headers);
        self.description.write(headers, asker)?;
        if !headers.contains_key(HOST) {
            let host = HeaderValue::try_from(self.address.to_string());
            headers.insert(HOST, host.map_err(|_bytes| ForwardError::Bug("host"))?);
        }
        Ok(())
    }
}

fn no_target(_: http::uri::InvalidUri) -> ForwardError {
    ForwardError::Bug("target")
}

/// Cleans the service's response for the client.
fn returned(mut response: http::Response<ResponseBody>) -> http::Response<ResponseBody> {
    header::strip_hop_by_hop(response.headers_mut());
    response
}
