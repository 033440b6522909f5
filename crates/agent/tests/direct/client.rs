//! A client that sends raw bytes and reads responses as strictly as RFC 9112 asks.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A response as it arrived.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its proper end.
    pub(crate) is_whole: bool,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (own, value) = line.split_once(": ")?;
            own.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn reason(&self) -> &str {
        self.header("latchkey-reason").unwrap_or("none")
    }
}

impl Client {
    pub(crate) const fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await;
        sent.expect("the agent reads").unwrap();
    }

    /// Sends what the agent may have stopped reading.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sent = timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await;
        sent.expect("the agent reads or closes").is_ok()
    }

    /// Closes the sending side.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Resets the connection.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    pub(crate) async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Response {
        self.send(bytes).await;
        self.response("GET").await
    }

    /// Reads one response to a request of `method`.
    pub(crate) async fn response(&mut self, method: &str) -> Response {
        let mut response = self.head().await;
        let has_no_body = method == "HEAD" || [204, 304].contains(&response.status);
        response.is_whole = has_no_body;
        if !has_no_body {
            self.finish_response(&mut response).await;
        }
        response
    }

    /// Reads the body of a response whose head was read.
    pub(crate) async fn finish_response(&mut self, response: &mut Response) {
        let length = response
            .header("content-length")
            .map(|length| length.parse().unwrap());
        if response.header("transfer-encoding") == Some("chunked") {
            assert_eq!(length, None, "two framings: {}", response.head);
            while let Some(chunk) = self.chunk().await {
                if chunk.is_empty() {
                    response.is_whole = true;
                    return;
                }
                response.body.extend(chunk);
            }
        } else if let Some(length) = length {
            response.is_whole = self.take(length, &mut response.body).await;
        } else {
            response.is_whole = self.read_to_end(&mut response.body).await;
        }
    }

    /// Reads a head without its body.
    pub(crate) async fn head(&mut self) -> Response {
        let end = loop {
            if let Some(at) = self
                .buffer
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n")
            {
                break at + 4;
            }
            let text = self.buffer.escape_ascii().to_string();
            assert!(self.fill().await, "the connection ended in: {text}");
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(head.starts_with("HTTP/1.1 "), "{head}");
        Response {
            status,
            head,
            body: Vec::new(),
            is_whole: false,
        }
    }

    /// Reads one chunk; empty at the proper end, nothing when the connection breaks off.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                break self.buffer.drain(..end + 2).take(end).collect();
            }
            if !self.fill().await {
                return None;
            }
        };
        let size = usize::from_str_radix(&String::from_utf8(line).unwrap(), 16).unwrap();
        let mut chunk = Vec::new();
        if !self.take(size + 2, &mut chunk).await {
            return None;
        }
        assert_eq!(chunk.split_off(size), b"\r\n");
        Some(chunk)
    }

    async fn take(&mut self, length: usize, body: &mut Vec<u8>) -> bool {
        while self.buffer.len() < length {
            if !self.fill().await {
                body.append(&mut self.buffer);
                return false;
            }
        }
        body.extend(self.buffer.drain(..length));
        true
    }

    /// Reads until the agent closes; returns whether it closed in order, without a reset.
    async fn read_to_end(&mut self, body: &mut Vec<u8>) -> bool {
        let ended = timeout(PATIENCE, self.stream.read_to_end(&mut self.buffer)).await;
        body.append(&mut self.buffer);
        ended.expect("the agent closes").is_ok()
    }

    /// Asserts that nothing more comes and the agent closes.
    pub(crate) async fn assert_closed(&mut self) {
        let mut rest = Vec::new();
        self.read_to_end(&mut rest).await;
        assert_eq!(rest.escape_ascii().to_string(), "");
    }

    async fn fill(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
        read.expect("the agent answers").is_ok_and(|read| read > 0)
    }
}
