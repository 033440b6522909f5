//! Asks the admin interface of a running host.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use latchkey_gateway::emulator::inbox::Posted;
use latchkey_http1::client::{ConnectionTally, Patience, UpstreamError, Upstreams};
use tokio::net::lookup_host;
use tokio_util::task::TaskTracker;

use crate::config::Location;

/// How long the host may take: it answers from memory.
const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(5),
    response: Duration::from_secs(10),
};
/// The longest answer that is read: an inbox full of what is escaped in JSON.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Why the host does not tell.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Its address cannot be found.
    #[error("cannot find the address of {admin}")]
    Lookup {
        /// Where it should be.
        admin: Location,
        /// What the resolver says.
        #[source]
        source: io::Error,
    },
    /// Nothing answers there.
    #[error(
        "latchkey-host does not answer at {admin}: is it running, and is that its admin interface?"
    )]
    Unreachable {
        /// Where it should be.
        admin: Location,
        /// What happened.
        #[source]
        source: UpstreamError,
    },
    /// Something else answers there.
    #[error("{admin} answered {status}: it is no admin interface of latchkey-host")]
    Foreign {
        /// Where it should be.
        admin: Location,
        /// What it said.
        status: StatusCode,
    },
    /// The answer cannot be read.
    #[error("the answer of {admin} cannot be read: it is no admin interface of this latchkey-host")]
    Unreadable {
        /// Where it should be.
        admin: Location,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A client of the admin interface.
#[derive(Debug)]
pub(super) struct AdminClient {
    admin: Location,
    connections: Arc<Upstreams>,
}

/// Nobody looks at how many connections a command opens.
#[derive(Debug)]
struct Uncounted;

impl ConnectionTally for Uncounted {
    fn opened(&self) {}
}

impl AdminClient {
    pub(super) fn new(admin: Location) -> Self {
        let connections = Upstreams::new(PATIENCE, TaskTracker::new(), Arc::new(Uncounted));
        Self {
            admin,
            connections: Arc::new(connections),
        }
    }

    /// Returns what clients posted, oldest first.
    pub(super) async fn inbox(&self) -> Result<Vec<Posted>, AdminError> {
        let body = self.get(Uri::from_static("/inbox")).await?;
        serde_json::from_slice(&body).map_err(|error| self.unreadable(error.into()))
    }

    async fn get(&self, target: Uri) -> Result<Bytes, AdminError> {
        let admin = || self.admin.clone();
        let lost = |source| AdminError::Lookup {
            admin: admin(),
            source,
        };
        let found = lookup_host(self.admin.authority()).await.map_err(lost)?;
        let address = found.into_iter().next();
        let address = address.ok_or_else(|| lost(io::ErrorKind::NotFound.into()))?;
        let mut request = Request::new(Full::default());
        *request.uri_mut() = target;
        let host = HeaderValue::try_from(self.admin.authority());
        let host = host.map_err(|error| self.unreadable(error.into()))?;
        request.headers_mut().insert(HOST, host);
        let response = self.connections.send(address, request).await;
        let response = response.map_err(|source| AdminError::Unreachable {
            admin: admin(),
            source,
        })?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(AdminError::Foreign {
                admin: admin(),
                status,
            });
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES);
        let body = body.collect().await;
        Ok(body.map_err(|error| self.unreadable(error))?.to_bytes())
    }

    fn unreadable(&self, source: Box<dyn std::error::Error + Send + Sync>) -> AdminError {
        AdminError::Unreadable {
            admin: self.admin.clone(),
            source,
        }
    }
}
