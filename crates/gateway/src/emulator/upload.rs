//! Takes an upload: the whole of it from the client, the beginning of it into the inbox.

use http::StatusCode;
use jiff::Timestamp;
use latchkey_http1::{Connection, ReadError};
use latchkey_protocol::{EndpointKind, Request};
use tokio::io::{AsyncRead, AsyncWrite};

use super::inbox::{Inbox, MAX_KEPT_BYTES, Posted};
use crate::answer::{Answer, empty};
use crate::machine::Machine;

/// An upload that is to be taken.
pub(crate) struct Upload<'a> {
    pub(super) inbox: &'a Inbox,
    pub(super) machine: &'a Machine,
    pub(super) kind: EndpointKind,
    pub(super) request: &'a Request,
    pub(super) now: Timestamp,
}

impl Upload<'_> {
    /// Reads the body piece by piece and keeps its beginning.
    ///
    /// # Errors
    /// When the body is too large, malformed or late, or the client is gone.
    pub(crate) async fn receive<S>(
        self,
        connection: &mut Connection<S>,
    ) -> Result<Answer, ReadError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let (mut kept, mut length) = (Vec::new(), 0);
        let max = self.request.max_body_bytes();
        while let Some(piece) = connection.next_chunk(max - length).await? {
            length += piece.len() as u64;
            let room = MAX_KEPT_BYTES.saturating_sub(kept.len());
            kept.extend(piece.iter().take(room));
        }
        let head = self.request.head();
        self.inbox.put(Posted::new(
            self.machine,
            self.kind,
            head,
            &kept,
            length,
            self.now,
        ));
        Ok(empty(StatusCode::OK))
    }
}
