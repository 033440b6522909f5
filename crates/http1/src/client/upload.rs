//! Moves the body of an upload from a client to a server; one that breaks off is never ended properly.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Channel;
use http_body_util::channel::Sender;
use latchkey_protocol::request::MAX_UPLOAD_BYTES;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::{UploadError, UpstreamError};
use crate::Connection;

/// How many pieces wait between client and server.
const PIECES: usize = 2;

/// An upload's body as it goes to the server.
pub(super) type UploadBody = Channel<Bytes, BrokenUpload>;

/// The client's upload broke off; the server must not take what it has for the whole.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the upload broke off")]
pub(super) struct BrokenUpload;

/// The client's end of an upload. Dropped before the body's end, it tells the server so.
#[derive(Debug)]
pub(super) struct Upload(Option<Sender<Bytes, BrokenUpload>>);

impl Upload {
    /// Makes both ends of an upload.
    pub(super) fn open() -> (Self, UploadBody) {
        let (sender, body) = Channel::new(PIECES);
        (Self(Some(sender)), body)
    }

    /// Moves the body, piece by piece, until it ends or the server takes no more of it; the server
    /// may take at most `patience` for each.
    pub(super) async fn pump<S>(
        &mut self,
        connection: &mut Connection<S>,
        destination: SocketAddr,
        patience: Duration,
    ) -> Result<(), UploadError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut left = MAX_UPLOAD_BYTES;
        while let Some(sender) = &mut self.0 {
            let Some(chunk) = connection.next_chunk(left).await? else {
                self.0 = None;
                break;
            };
            left -= chunk.len() as u64;
            match timeout(patience, sender.send_data(chunk)).await {
                Ok(Ok(())) => {}
                // The server has answered or is gone: its answer decides.
                Ok(Err(_)) => break,
                Err(_) => return Err(stuck(destination, patience).into()),
            }
        }
        Ok(())
    }
}

const fn stuck(destination: SocketAddr, patience: Duration) -> UpstreamError {
    UpstreamError::Timeout {
        destination,
        patience,
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            sender.abort(BrokenUpload);
        }
    }
}
