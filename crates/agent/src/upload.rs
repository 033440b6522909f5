//! Moves the body of an upload from the client to the host; one that breaks off is never ended properly.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Channel;
use http_body_util::channel::Sender;
use latchkey_http1::{Connection, ReadError};
use latchkey_protocol::request::MAX_UPLOAD_BYTES;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

/// How many pieces wait between client and host.
const PIECES: usize = 2;

/// An upload's body as it goes to the host.
pub type UploadBody = Channel<Bytes, BrokenUpload>;

/// The client's upload broke off; the host must not take what it has for the whole.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the upload broke off")]
pub struct BrokenUpload;

/// The client's end of an upload. Dropped before the body's end, it tells the host so.
#[derive(Debug)]
pub struct Upload(Option<Sender<Bytes, BrokenUpload>>);

/// Why an upload does not go on.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The client did not send its body well, or is gone.
    #[error(transparent)]
    Client(#[from] ReadError),
    /// The host took nothing for too long.
    #[error("the host took no piece of the upload in {0:?}")]
    Stuck(Duration),
}

impl Upload {
    /// Makes both ends of an upload.
    #[must_use]
    pub fn open() -> (Self, UploadBody) {
        let (sender, body) = Channel::new(PIECES);
        (Self(Some(sender)), body)
    }

    /// Moves the body, piece by piece, until it ends or the host takes no more of it; the host may
    /// take at most `patience` for each.
    ///
    /// # Errors
    /// When either side does not go on.
    pub async fn pump<S>(
        &mut self,
        connection: &mut Connection<S>,
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
                // The host has answered or is gone: its answer decides.
                Ok(Err(_)) => break,
                Err(_) => return Err(UploadError::Stuck(patience)),
            }
        }
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            sender.abort(BrokenUpload);
        }
    }
}
