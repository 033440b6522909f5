//! The server's response as it arrives; refuses to wait for ever, and gives its connection back at the end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use latchkey_protocol::Reason;
use tokio::time::{Sleep, sleep};

use super::upload::Upload;
use super::{Lease, Place};

/// The server's response body; gives the connection back when it was read to its end.
#[derive(Debug)]
pub struct ResponseBody {
    incoming: Incoming,
    lease: Option<Lease>,
    deadline: Option<Pin<Box<Sleep>>>,
    upload: Option<Upload>,
    place: Option<Place>,
}

/// Why a response body ended early.
#[derive(Debug, thiserror::Error)]
pub enum ResponseBodyError {
    /// The server broke off.
    #[error("the server broke off its response")]
    Invalid(#[from] hyper::Error),
    /// The server sent nothing for too long.
    #[error("the server stopped in the middle of its response")]
    Timeout,
}

impl ResponseBodyError {
    /// Returns the reason to record: the client has got the head of a response already.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Invalid(_) => Reason::UpstreamInvalid,
            Self::Timeout => Reason::UpstreamTimeout,
        }
    }
}

impl ResponseBody {
    pub(super) fn new(incoming: Incoming, lease: Lease) -> Self {
        let mut body = Self {
            incoming,
            lease: Some(lease),
            deadline: None,
            upload: None,
            place: None,
        };
        body.give_back_at_end();
        body
    }

    /// Keeps an upload open that was answered before its end: ended here, it would look whole.
    pub(super) fn holding(mut self, upload: Upload) -> Self {
        self.upload = Some(upload);
        self
    }

    /// Keeps a place among the requests under way until the response is at its end.
    pub(super) fn occupying(mut self, place: Place) -> Self {
        self.place = self.lease.is_some().then_some(place);
        self
    }

    fn give_back_at_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
        self.place = None;
    }

    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(patience) = self
            .lease
            .as_ref()
            .map(|lease| lease.pool.patience.response)
        else {
            return Poll::Pending;
        };
        self.deadline
            .get_or_insert_with(|| Box::pin(sleep(patience)))
            .as_mut()
            .poll(context)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                ready!(self.poll_deadline(context));
                return Poll::Ready(Some(Err(ResponseBodyError::Timeout)));
            }
        };
        self.deadline = None;
        match frame {
            None => self.give_back(),
            Some(Ok(_)) => self.give_back_at_end(),
            Some(Err(_)) => self.lease = None,
        }
        Poll::Ready(frame.map(|result| result.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
