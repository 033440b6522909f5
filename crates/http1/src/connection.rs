//! One client connection: heads in, bodies in, responses out, one request at a time.
//!
//! Every wait is bounded. A request whose body was not read to its end closes the
//! connection: bytes behind a refused request are never taken for the next one.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{Method, Response};
use http_body::{Body, Frame};
use latchkey_protocol::head::{self, Parsed, Version};
use latchkey_protocol::{Framing, Reason, RequestHead};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use crate::chunked::ChunkedDecoder;
use crate::response::{BodyFraming, write_head};

const READ_BYTES: usize = 4096;
/// How much is read ahead of a client that waits for its answer.
const READ_AHEAD_BYTES: usize = 16 * 1024;
/// How much a closing connection still takes from a client that is sending, and for how long.
const LINGER_BYTES: u64 = 256 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// How long a connection waits for its client.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the first byte of a head to its last.
    pub head_timeout: Duration,
    /// From one piece of a body to the next.
    pub body_timeout: Duration,
    /// Without a request.
    pub idle_timeout: Duration,
    /// Until the client takes a piece of a response.
    pub write_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
        }
    }
}

/// Why no request, or no more of one, can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The request must be refused with this reason, then the connection closed.
    #[error("the request is refused: {0}")]
    Refused(Reason),
    /// The client is gone.
    #[error("the connection broke off")]
    Io(#[from] io::Error),
}

/// Why a response did not arrive whole. The connection must be dropped.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The client is gone, or takes nothing.
    #[error("the client takes no response")]
    Client(#[source] io::Error),
    /// The source of the body failed before its end.
    #[error("the response body broke off")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Whether a connection can carry another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// Yes: call [`Connection::next`].
    Open,
    /// No: call [`Connection::close`].
    Close,
}

/// A server's side of one HTTP/1 connection.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    received: BytesMut,
    limits: Limits,
    request: Option<Progress>,
    is_ending: bool,
}

/// How far the present request has been read.
#[derive(Debug)]
struct Progress {
    method: Method,
    version: Version,
    keeps_alive: bool,
    awaits_continue: bool,
    body: BodyProgress,
}

#[derive(Debug)]
enum BodyProgress {
    Length(u64),
    Chunked(ChunkedDecoder),
}

impl BodyProgress {
    const fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(decoder) => decoder.is_done(),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Takes over an accepted connection.
    pub fn new(stream: S, limits: Limits) -> Self {
        Self {
            stream,
            received: BytesMut::new(),
            limits,
            request: None,
            is_ending: false,
        }
    }

    /// Returns whether no byte of a further request has been read.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.received.is_empty()
    }

    /// Waits until the client closes its side or is gone, for whoever makes it wait for an answer.
    /// What it sends meanwhile is kept, up to a bound: then its leaving is not seen. May be dropped
    /// and called again without losing what was read.
    pub async fn left(&mut self) {
        while self.received.len() < READ_AHEAD_BYTES {
            self.received.reserve(READ_BYTES);
            match self.stream.read_buf(&mut self.received).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        pending().await
    }

    /// Makes the next response the last one, which the client is told.
    pub const fn end(&mut self) {
        self.is_ending = true;
    }

    /// Gives the stream back, without closing it and without what was read ahead.
    pub fn into_stream(self) -> S {
        self.stream
    }

    /// Reads the next request head; nothing when the client closed, reset or stayed idle between
    /// requests. May be dropped and called again without losing what was read.
    ///
    /// # Errors
    /// With [`ReadError::Refused`] when the head must be answered with a reason.
    pub async fn next(&mut self) -> Result<Option<RequestHead>, ReadError> {
        self.request = None;
        let idle_until = Instant::now() + self.limits.idle_timeout;
        let mut deadline = None;
        loop {
            // Empty lines before a request are ignored (RFC 9112 section 2.2).
            while self.received.starts_with(b"\r\n") {
                self.received.advance(2);
            }
            if !self.received.is_empty() {
                match head::parse(&self.received).map_err(ReadError::Refused)? {
                    Parsed::Complete(head, consumed) => {
                        return Ok(Some(self.begin(*head, consumed)));
                    }
                    Parsed::Partial => {}
                }
                deadline.get_or_insert_with(|| Instant::now() + self.limits.head_timeout);
            }
            self.received.reserve(READ_BYTES);
            let read = self.stream.read_buf(&mut self.received);
            match timeout_at(deadline.unwrap_or(idle_until), read).await {
                Err(_) | Ok(Ok(0) | Err(_)) if deadline.is_none() => return Ok(None),
                Err(_) => return Err(ReadError::Refused(Reason::RequestTimeout)),
                Ok(Ok(0)) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(result) => result?,
            };
        }
    }

    fn begin(&mut self, head: RequestHead, consumed: usize) -> RequestHead {
        // What was parsed lies in the buffer, so the split cannot miss.
        drop(self.received.split_to(consumed));
        self.request = Some(Progress {
            method: head.method.clone(),
            version: head.version,
            keeps_alive: head.keeps_alive(),
            awaits_continue: head.expects_continue(),
            body: match head.framing {
                Framing::Empty => BodyProgress::Length(0),
                Framing::Length(length) => BodyProgress::Length(length),
                Framing::Chunked => BodyProgress::Chunked(ChunkedDecoder::Size),
            },
        });
        head
    }

    /// Reads the whole body, at most `max` bytes.
    ///
    /// # Errors
    /// When the body is larger, malformed, late, or the client is gone.
    pub async fn read_body(&mut self, max: u64) -> Result<Bytes, ReadError> {
        let Some(first) = self.next_chunk(max).await? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.next_chunk(max - first.len() as u64).await? else {
            return Ok(first);
        };
        let mut body = BytesMut::from(&first[..]);
        body.extend_from_slice(&second);
        while let Some(chunk) = self.next_chunk(max - body.len() as u64).await? {
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// Reads the next piece of the body, nothing at its end; `left` bytes may still come.
    ///
    /// # Errors
    /// When the body is larger, malformed, late, or the client is gone.
    pub async fn next_chunk(&mut self, left: u64) -> Result<Option<Bytes>, ReadError> {
        loop {
            let Some(request) = &mut self.request else {
                return Ok(None);
            };
            let chunk = match &mut request.body {
                BodyProgress::Length(length) if *length > left => {
                    return Err(ReadError::Refused(Reason::BodyTooLarge));
                }
                BodyProgress::Length(length) => take_at_most(&mut self.received, length),
                BodyProgress::Chunked(decoder) => decoder
                    .decode(&mut self.received)
                    .map_err(ReadError::Refused)?,
            };
            match chunk {
                Some(chunk) if chunk.len() as u64 > left => {
                    return Err(ReadError::Refused(Reason::BodyTooLarge));
                }
                Some(chunk) => return Ok(Some(chunk)),
                None if request.body.is_done() => return Ok(None),
                None => self.fill_body().await?,
            }
        }
    }

    async fn fill_body(&mut self) -> Result<(), ReadError> {
        if let Some(request) = self
            .request
            .as_mut()
            .filter(|request| request.awaits_continue)
        {
            request.awaits_continue = false;
            let go_on = self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
            match timeout(self.limits.write_timeout, go_on).await {
                Err(_) => return Err(io::Error::from(io::ErrorKind::TimedOut).into()),
                Ok(written) => written?,
            }
        }
        self.received.reserve(READ_BYTES);
        let read = self.stream.read_buf(&mut self.received);
        match timeout(self.limits.body_timeout, read).await {
            Err(_) => Err(ReadError::Refused(Reason::RequestTimeout)),
            Ok(Ok(0)) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(result) => result.map(drop).map_err(ReadError::Io),
        }
    }

    /// Writes a response. Without a request before it, as for one that was refused unread, the
    /// connection closes.
    ///
    /// # Errors
    /// When the client is gone or the body breaks off; then the connection must be dropped, so
    /// that the client does not take what it has for the whole.
    pub async fn respond<B>(&mut self, response: Response<B>) -> Result<KeepAlive, WriteError>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = response.into_parts();
        let mut body = pin!(body);
        let request = self.request.take();
        let (method, version) = match &request {
            Some(request) => (request.method.clone(), request.version),
            None => (Method::GET, Version::Http11),
        };
        let framing = BodyFraming::choose(&method, version, &head, body.size_hint().exact());
        let keep_alive = match &request {
            Some(request)
                if !self.is_ending
                    && request.keeps_alive
                    && request.body.is_done()
                    && framing != BodyFraming::UntilClose =>
            {
                KeepAlive::Open
            }
            _ => KeepAlive::Close,
        };
        let option = match (keep_alive, version) {
            (KeepAlive::Close, _) => Some("close"),
            (KeepAlive::Open, Version::Http10) => Some("keep-alive"),
            (KeepAlive::Open, Version::Http11) => None,
        };
        let mut out = BytesMut::with_capacity(512);
        write_head(&head, framing, option, &http_date(), &mut out);
        if !matches!(framing, BodyFraming::None(_)) {
            self.write_body(body.as_mut(), framing, &mut out).await?;
        }
        self.write(&mut out).await?;
        Ok(keep_alive)
    }

    /// Streams a body; what is ready at once travels with the head in one write.
    async fn write_body<B>(
        &mut self,
        mut body: Pin<&mut B>,
        framing: BodyFraming,
        out: &mut BytesMut,
    ) -> Result<(), WriteError>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        while !body.is_end_stream() {
            let ready = poll_fn(|context| Poll::Ready(body.as_mut().poll_frame(context))).await;
            let frame = match ready {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    self.write(out).await?;
                    poll_fn(|context| body.as_mut().poll_frame(context)).await
                }
            };
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|error| WriteError::Body(error.into()))?;
            put_frame(frame, framing, out);
            if out.len() >= READ_BYTES {
                self.write(out).await?;
            }
        }
        if framing == BodyFraming::Chunked {
            out.put_slice(b"0\r\n\r\n");
        }
        Ok(())
    }

    async fn write(&mut self, out: &mut BytesMut) -> Result<(), WriteError> {
        if out.is_empty() {
            return Ok(());
        }
        let written = timeout(self.limits.write_timeout, self.stream.write_all(out)).await;
        out.clear();
        match written {
            Ok(result) => result.map_err(WriteError::Client),
            Err(_) => Err(WriteError::Client(io::ErrorKind::TimedOut.into())),
        }
    }

    /// Closes the connection so that the client can still read the last response: a reset would
    /// throw it away.
    pub async fn close(mut self) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let (mut rest, mut sink) = ((&mut self.stream).take(LINGER_BYTES), tokio::io::sink());
        // Whatever ends the wait, the connection is closed by the drop.
        drop(timeout(LINGER, tokio::io::copy(&mut rest, &mut sink)).await);
    }
}

fn take_at_most(received: &mut BytesMut, left: &mut u64) -> Option<Bytes> {
    let length = usize::try_from(*left).map_or(received.len(), |left| left.min(received.len()));
    if length == 0 {
        return None;
    }
    *left -= length as u64;
    Some(received.split_to(length).freeze())
}

fn put_frame(frame: Frame<Bytes>, framing: BodyFraming, out: &mut BytesMut) {
    let Ok(data) = frame.into_data() else { return };
    if data.is_empty() {
        return;
    }
    if framing == BodyFraming::Chunked {
        out.put_slice(format!("{:x}\r\n", data.len()).as_bytes());
        out.put_slice(&data);
        out.put_slice(b"\r\n");
    } else {
        out.put_slice(&data);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the Date header of a response is the wall clock, nothing is decided by it"
)]
fn http_date() -> String {
    httpdate::fmt_http_date(SystemTime::now())
}
