//! Connections to the host: the pool that the gateway uses too, counted in the agent's counters.

pub use latchkey_http1::client::{
    ConnectionTally, Patience, ResponseBody, ResponseBodyError, UploadError, UpstreamError,
    Upstreams,
};

use crate::counters::Counters;

impl ConnectionTally for Counters {
    fn opened(&self) {
        self.upstream_connections.add();
    }
}
