//! Why a server gave no usable answer, each with the reason that its client is told.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use latchkey_protocol::Reason;

use crate::ReadError;

/// Why the server gave no usable answer.
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
    /// Too many requests were under way for as long as the server may take.
    #[error("no place among the requests to {destination} in {patience:?}")]
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

impl UpstreamError {
    /// Returns the reason to answer with.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Connect { .. } => Reason::UpstreamUnreachable,
            Self::Busy { .. } => Reason::Overloaded,
            Self::Timeout { .. } => Reason::UpstreamTimeout,
            Self::Invalid { .. } | Self::NoResponse { .. } => Reason::UpstreamInvalid,
        }
    }

    /// Returns whether the server may have received the request.
    #[must_use]
    pub const fn has_travelled(&self) -> bool {
        !matches!(self, Self::Connect { .. } | Self::Busy { .. })
    }
}

/// Why a streamed request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The client did not send its body well, or is gone.
    #[error(transparent)]
    Client(#[from] ReadError),
    /// The server gave no usable answer.
    #[error(transparent)]
    Server(#[from] UpstreamError),
}
