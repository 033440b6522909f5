//! Writes response heads and decides how a response body is framed (RFC 9112 section 6).

use std::fmt::Write as _;

use bytes::{BufMut as _, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, Method, StatusCode, response};
use latchkey_protocol::head::Version;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// How a response body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFraming {
    /// No body follows; a given length describes what GET would return.
    None(Option<u64>),
    /// Exactly this many bytes follow.
    Length(u64),
    /// Chunks follow.
    Chunked,
    /// The body ends with the connection.
    UntilClose,
}

impl BodyFraming {
    /// Chooses the framing for a body whose exact size is known or not.
    pub(crate) fn choose(
        method: &Method,
        version: Version,
        head: &response::Parts,
        exact: Option<u64>,
    ) -> Self {
        if method == Method::HEAD {
            return Self::None(
                declared_length(&head.headers).or(exact.filter(|length| *length > 0)),
            );
        }
        if head.status == StatusCode::NO_CONTENT || head.status == StatusCode::NOT_MODIFIED {
            return Self::None(None);
        }
        match (exact, version) {
            (Some(length), _) => Self::Length(length),
            (None, Version::Http11) => Self::Chunked,
            (None, Version::Http10) => Self::UntilClose,
        }
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Writes status line and headers; framing and connection headers are set here alone.
pub(crate) fn write_head(
    head: &response::Parts,
    framing: BodyFraming,
    connection: Option<&str>,
    date: &str,
    out: &mut BytesMut,
) {
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(head.status.as_str().as_bytes());
    out.put_slice(b" ");
    out.put_slice(
        head.status
            .canonical_reason()
            .unwrap_or_default()
            .as_bytes(),
    );
    out.put_slice(b"\r\n");
    for (name, value) in &head.headers {
        if [CONNECTION, KEEP_ALIVE, TRANSFER_ENCODING, CONTENT_LENGTH].contains(name) {
            continue;
        }
        put_line(out, name.as_str(), value.as_bytes());
    }
    match framing {
        BodyFraming::None(Some(length)) | BodyFraming::Length(length) => {
            let mut digits = String::new();
            // Writing to a string does not fail.
            if write!(digits, "{length}").is_ok() {
                put_line(out, "content-length", digits.as_bytes());
            }
        }
        BodyFraming::Chunked => put_line(out, "transfer-encoding", b"chunked"),
        BodyFraming::None(None) | BodyFraming::UntilClose => {}
    }
    if let Some(option) = connection {
        put_line(out, "connection", option.as_bytes());
    }
    if !head.headers.contains_key(DATE) {
        put_line(out, "date", date.as_bytes());
    }
    out.put_slice(b"\r\n");
}

fn put_line(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.put_slice(name.as_bytes());
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}
