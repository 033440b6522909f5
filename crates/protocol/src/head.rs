//! The strict reading of a request head: bytes in, one head or one reason out.
//!
//! `httparse` finds the tokens; everything that it or other parsers tolerate and that
//! two parties could read differently about where a request starts or ends is refused
//! here: bare line feeds, folded lines, two framings, several hosts, other targets than
//! a path.

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::reason::Reason;

/// The longest request head that is read, in bytes.
pub const MAX_HEAD_BYTES: usize = 32 * 1024;
/// The most header lines that a request may have.
pub const MAX_HEADERS: usize = 100;
/// The longest request target, in bytes.
pub const MAX_TARGET_BYTES: usize = 8 * 1024;
/// The methods that metadata services serve, as the `Allow` header lists them.
pub const ALLOWED_METHODS: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH";

/// Where a request's body ends (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    Empty,
    /// The body has this many bytes.
    Length(u64),
    /// The body comes in chunks.
    Chunked,
}

/// The HTTP version that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: one request per connection unless it asks otherwise.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// A well-formed request head.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// One of [`ALLOWED_METHODS`].
    pub method: Method,
    /// The target as received: a path with an optional query, or `*`.
    pub target: String,
    /// The version of the request line.
    pub version: Version,
    /// All headers; names in lower case, values as received.
    pub headers: HeaderMap,
    /// Where the body ends.
    pub framing: Framing,
}

impl RequestHead {
    /// Returns whether the client waits for `100 Continue` before it sends the body.
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.version == Version::Http11 && self.headers.contains_key(EXPECT)
    }

    /// Returns whether the connection may carry another request after this one.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        let says = |option: &str| {
            self.headers.get_all(CONNECTION).iter().any(|value| {
                value
                    .as_bytes()
                    .split(|b| *b == b',')
                    .any(|token| token.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
            })
        };
        match self.version {
            Version::Http11 => !says("close"),
            Version::Http10 => says("keep-alive") && !says("close"),
        }
    }

    /// Returns the raw path and the raw query of the target.
    #[must_use]
    pub fn path_and_query(&self) -> (&str, Option<&str>) {
        match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (&self.target, None),
        }
    }
}

/// What a buffer holds.
#[derive(Debug)]
pub enum Parsed {
    /// The head is not complete yet.
    Partial,
    /// A whole head, and how many bytes of the buffer it took.
    Complete(Box<RequestHead>, usize),
}

/// Reads a request head from the start of `buffer`.
///
/// # Errors
/// The reason, when the bytes are not the head of a request that may be served.
pub fn parse(buffer: &[u8]) -> Result<Parsed, Reason> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut lines);
    let consumed = match request.parse(buffer) {
        Ok(httparse::Status::Complete(consumed)) => consumed,
        Ok(httparse::Status::Partial) if buffer.len() >= MAX_HEAD_BYTES => {
            return Err(Reason::HeadTooLarge);
        }
        Ok(httparse::Status::Partial) => return Ok(Parsed::Partial),
        Err(httparse::Error::TooManyHeaders) => return Err(Reason::HeadTooLarge),
        Err(_) => return Err(Reason::MalformedHead),
    };
    if consumed > MAX_HEAD_BYTES {
        return Err(Reason::HeadTooLarge);
    }
    refuse_bare_line_feeds(buffer.get(..consumed).unwrap_or(buffer))?;
    let method = read_method(request.method.unwrap_or_default())?;
    let target = request.path.unwrap_or_default();
    check_target(target, &method)?;
    let version = match request.version {
        Some(1) => Version::Http11,
        _ => Version::Http10,
    };
    let headers = read_headers(request.headers)?;
    require_one_host(&headers, version)?;
    refuse_other_expectations(&headers)?;
    let framing = read_framing(&headers, version)?;
    let head = RequestHead {
        method,
        target: target.to_owned(),
        version,
        headers,
        framing,
    };
    Ok(Parsed::Complete(Box::new(head), consumed))
}

/// Checks a method and a target that stand in no head, as [`parse`] checks those that do: of a head
/// with them and nothing odd beside, neither is wrong.
///
/// # Errors
/// What is wrong with one of them. In a whole head something else may be named first.
pub fn check_line(method: &str, target: &str) -> Result<(), Reason> {
    let method = read_method(method)?;
    check_target(target, &method)
}

/// SECURITY: a parser that takes a bare line feed for a line end and one that does not
/// see different headers (request smuggling).
fn refuse_bare_line_feeds(head: &[u8]) -> Result<(), Reason> {
    let mut previous = b'\n';
    for &byte in head {
        if byte == b'\n' && previous != b'\r' {
            return Err(Reason::BareLineFeed);
        }
        previous = byte;
    }
    Ok(())
}

fn read_method(text: &str) -> Result<Method, Reason> {
    ALLOWED_METHODS
        .split(", ")
        .find(|allowed| *allowed == text)
        .and_then(|allowed| allowed.parse().ok())
        .ok_or(Reason::MethodNotAllowed)
}

fn check_target(text: &str, method: &Method) -> Result<(), Reason> {
    if text.len() > MAX_TARGET_BYTES {
        return Err(Reason::TargetTooLong);
    }
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    if !path.bytes().all(is_path_byte) || !query.bytes().all(is_query_byte) {
        return Err(Reason::MalformedTarget);
    }
    if text.starts_with('/') || (text == "*" && method == Method::OPTIONS) {
        return Ok(());
    }
    Err(if text.contains("://") {
        Reason::AbsoluteForm
    } else {
        Reason::MalformedTarget
    })
}

/// The bytes that deployed parsers accept in a path; no number sign, blank or byte outside ASCII.
const fn is_path_byte(byte: u8) -> bool {
    matches!(byte, b'!' | b'"' | b'$'..=b';' | b'=' | b'@'..=b'_' | b'a'..=b'~')
}

/// The bytes that deployed parsers accept in a query.
const fn is_query_byte(byte: u8) -> bool {
    matches!(byte, b'!' | b'$'..=b';' | b'=' | b'?'..=b'~')
}

fn read_headers(lines: &[httparse::Header<'_>]) -> Result<HeaderMap, Reason> {
    let mut headers = HeaderMap::with_capacity(lines.len() + 3);
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes());
        let value = HeaderValue::from_bytes(line.value);
        match (name, value) {
            (Ok(name), Ok(value)) => headers.append(name, value),
            _ => return Err(Reason::MalformedHead),
        };
    }
    Ok(headers)
}

fn require_one_host(headers: &HeaderMap, version: Version) -> Result<(), Reason> {
    match (headers.get_all(HOST).iter().count(), version) {
        (1, _) | (0, Version::Http10) => Ok(()),
        (0, Version::Http11) => Err(Reason::HostMissing),
        _ => Err(Reason::HostRepeated),
    }
}

fn refuse_other_expectations(headers: &HeaderMap) -> Result<(), Reason> {
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if headers.get_all(EXPECT).iter().all(known) {
        Ok(())
    } else {
        Err(Reason::ExpectationFailed)
    }
}

/// Returns where the body ends that headers announce.
///
/// # Errors
/// When they say it twice, or in a way that is not served.
pub fn read_framing(headers: &HeaderMap, version: Version) -> Result<Framing, Reason> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (lengths.next(), codings.next()) {
        (None, None) => Ok(Framing::Empty),
        (Some(_), Some(_)) => Err(Reason::ConflictingFraming),
        (Some(length), None) if lengths.next().is_none() => read_length(length.as_bytes()),
        (Some(_), None) => Err(Reason::ConflictingFraming),
        (None, Some(coding)) => {
            let is_chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
            if is_chunked && codings.next().is_none() && version == Version::Http11 {
                Ok(Framing::Chunked)
            } else {
                Err(Reason::UnsupportedTransferEncoding)
            }
        }
    }
}

fn read_length(digits: &[u8]) -> Result<Framing, Reason> {
    let text = std::str::from_utf8(digits).map_err(|_utf8| Reason::InvalidContentLength)?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Reason::InvalidContentLength);
    }
    match text.parse() {
        Ok(length) => Ok(Framing::Length(length)),
        Err(_) => Err(Reason::BodyTooLarge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> Option<Reason> {
        match parse(text.as_bytes()) {
            Ok(Parsed::Complete(..)) => None,
            Ok(Parsed::Partial) => panic!("{text:?} is partial"),
            Err(reason) => Some(reason),
        }
    }

    #[test]
    fn plain_request_is_read() {
        let bytes = b"GET /a?b=c HTTP/1.1\r\nHost: h\r\nX-A:  v \r\n\r\nrest";
        let Ok(Parsed::Complete(head, consumed)) = parse(bytes) else {
            panic!()
        };
        assert_eq!(&bytes[consumed..], b"rest");
        assert_eq!(head.path_and_query(), ("/a", Some("b=c")));
        assert_eq!(head.headers["x-a"], "v");
        assert_eq!(head.framing, Framing::Empty);
        assert!(head.keeps_alive());
    }

    #[test]
    fn head_that_says_twice_where_its_body_ends_is_refused() {
        for lines in [
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 1",
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: 1\r\nContent-Length: 2",
        ] {
            let text = format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n");
            assert_eq!(reason(&text), Some(Reason::ConflictingFraming), "{lines}");
        }
    }

    #[test]
    fn odd_framings_are_refused() {
        for (line, expected) in [
            ("Content-Length: +5", Reason::InvalidContentLength),
            ("Content-Length: 1, 1", Reason::InvalidContentLength),
            ("Content-Length:", Reason::InvalidContentLength),
            ("Content-Length: 0x5", Reason::InvalidContentLength),
            ("Content-Length: 99999999999999999999", Reason::BodyTooLarge),
            (
                "Transfer-Encoding: gzip, chunked",
                Reason::UnsupportedTransferEncoding,
            ),
            (
                "Transfer-Encoding: identity",
                Reason::UnsupportedTransferEncoding,
            ),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                Reason::UnsupportedTransferEncoding,
            ),
        ] {
            let text = format!("POST / HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n");
            assert_eq!(reason(&text), Some(expected), "{line}");
        }
        let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(reason(old), Some(Reason::UnsupportedTransferEncoding));
    }

    #[test]
    fn malformed_heads_are_refused() {
        for (text, expected) in [
            ("GET / HTTP/1.1\nHost: h\r\n\r\n", Reason::BareLineFeed),
            ("GET / HTTP/1.1\r\nHost: h\n\r\n", Reason::BareLineFeed),
            (
                "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
                Reason::MalformedHead,
            ),
            ("GET / HTTP/1.1\r\nHost : h\r\n\r\n", Reason::MalformedHead),
            ("GET / HTTP/9.9\r\nHost: h\r\n\r\n", Reason::MalformedHead),
            ("GET /  HTTP/1.1\r\nHost: h\r\n\r\n", Reason::MalformedHead),
            ("GET / HTTP/1.1\r\n\r\n", Reason::HostMissing),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
                Reason::HostRepeated,
            ),
            (
                "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
                Reason::AbsoluteForm,
            ),
            ("GET x HTTP/1.1\r\nHost: h\r\n\r\n", Reason::MalformedTarget),
            ("GET * HTTP/1.1\r\nHost: h\r\n\r\n", Reason::MalformedTarget),
            (
                "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n",
                Reason::MalformedTarget,
            ),
            (
                "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
                Reason::MethodNotAllowed,
            ),
            (
                "TRACE / HTTP/1.1\r\nHost: h\r\n\r\n",
                Reason::MethodNotAllowed,
            ),
            (
                "get / HTTP/1.1\r\nHost: h\r\n\r\n",
                Reason::MethodNotAllowed,
            ),
            (
                "PUT / HTTP/1.1\r\nHost: h\r\nExpect: magic\r\n\r\n",
                Reason::ExpectationFailed,
            ),
        ] {
            assert_eq!(reason(text), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn heads_are_bounded() {
        let many = "a: b\r\n".repeat(MAX_HEADERS);
        assert_eq!(
            reason(&format!("GET / HTTP/1.1\r\nHost: h\r\n{many}\r\n")),
            Some(Reason::HeadTooLarge)
        );
        let long = "a".repeat(MAX_TARGET_BYTES);
        assert_eq!(
            reason(&format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n")),
            Some(Reason::TargetTooLong)
        );
        let endless = format!("GET / HTTP/1.1\r\nHost: {}", "a".repeat(MAX_HEAD_BYTES));
        assert_eq!(reason(&endless), Some(Reason::HeadTooLarge));
    }

    #[test]
    fn http_1_0_may_omit_host_and_closes_by_default() {
        let Ok(Parsed::Complete(head, _)) = parse(b"GET / HTTP/1.0\r\n\r\n") else {
            panic!()
        };
        assert!(!head.keeps_alive());
        let Ok(Parsed::Complete(head, _)) =
            parse(b"GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n")
        else {
            panic!()
        };
        assert!(head.keeps_alive());
    }
}
