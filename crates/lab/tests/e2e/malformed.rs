//! The requests of the tests of bad input, each with what must come of it.

use std::time::Duration;

use latchkey_protocol::Reason;
use latchkey_protocol::head::{MAX_HEAD_BYTES, MAX_HEADERS, MAX_TARGET_BYTES};
use latchkey_protocol::request::MAX_BODY_BYTES;

use crate::raw::Exchange;
use crate::world::INSTANCE;

/// Shows the beginning of a request.
pub(crate) fn shown(bytes: &[u8]) -> String {
    bytes.get(..400).unwrap_or(bytes).escape_ascii().to_string()
}

fn get(lines: &str) -> Vec<u8> {
    let text = format!(
        "GET {INSTANCE} HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n{lines}\r\n"
    );
    text.into_bytes()
}

fn target(target: &str) -> Vec<u8> {
    let text = format!(
        "GET {target} HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\nConnection: close\r\n\r\n"
    );
    text.into_bytes()
}

fn post(framing_and_body: &str) -> Vec<u8> {
    let text = format!(
        "POST {INSTANCE} HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n{framing_and_body}"
    );
    text.into_bytes()
}

fn chunked(body: &str) -> Vec<u8> {
    post(&format!("Transfer-Encoding: chunked\r\n\r\n{body}"))
}

/// What is not well-formed, or dangerous to any proxy.
pub(crate) fn cases() -> Vec<(Vec<u8>, Reason)> {
    let mut cases = heads();
    cases.extend(framings());
    cases.extend(bodies());
    cases.extend(sizes());
    cases
}

fn heads() -> Vec<(Vec<u8>, Reason)> {
    let line = |line: &str| format!("{line}\r\nHost: 169.254.169.254\r\n\r\n").into_bytes();
    let instance = |method: &str| line(&format!("{method} {INSTANCE} HTTP/1.1"));
    vec![
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            Reason::MalformedHead,
        ),
        (b"\x00\r\n\r\n".to_vec(), Reason::MalformedHead),
        (b"GET /\r\n\r\n".to_vec(), Reason::MalformedHead),
        (line("GET / HTTP/9.9"), Reason::MalformedHead),
        (line("PRI * HTTP/2.0"), Reason::MalformedHead),
        (line("GET  / HTTP/1.1"), Reason::MalformedHead),
        (line("GET /a b HTTP/1.1"), Reason::MalformedHead),
        (line("G\u{e9}T / HTTP/1.1"), Reason::MalformedHead),
        (instance("get"), Reason::MethodNotAllowed),
        (instance("TRACE"), Reason::MethodNotAllowed),
        (instance("PROPFIND"), Reason::MethodNotAllowed),
        (
            line("CONNECT 169.254.169.254:80 HTTP/1.1"),
            Reason::MethodNotAllowed,
        ),
        (
            line(&format!("GET http://169.254.169.254{INSTANCE} HTTP/1.1")),
            Reason::AbsoluteForm,
        ),
        (
            line("GET https://elsewhere.example/ HTTP/1.1"),
            Reason::AbsoluteForm,
        ),
        (
            line("GET 169.254.169.254:80 HTTP/1.1"),
            Reason::MalformedTarget,
        ),
        (line("GET * HTTP/1.1"), Reason::MalformedTarget),
        (
            line("GET /metadata/instance#a HTTP/1.1"),
            Reason::MalformedTarget,
        ),
        (
            b"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n".to_vec(),
            Reason::MalformedTarget,
        ),
        (
            format!("GET {INSTANCE} HTTP/1.1\r\nMetadata: true\r\n\r\n").into_bytes(),
            Reason::HostMissing,
        ),
        (get("Host: 169.254.169.254\r\n"), Reason::HostRepeated),
        (get("Host: elsewhere.example\r\n"), Reason::HostRepeated),
        (
            format!("GET {INSTANCE} HTTP/1.1\nHost: 169.254.169.254\n\n").into_bytes(),
            Reason::BareLineFeed,
        ),
        (get("A: b\n"), Reason::BareLineFeed),
        (get("A: b\r\n c\r\n"), Reason::MalformedHead),
        (get("A : b\r\n"), Reason::MalformedHead),
        (get("no colon\r\n"), Reason::MalformedHead),
        (get(": no name\r\n"), Reason::MalformedHead),
        (get("A\u{e9}: b\r\n"), Reason::MalformedHead),
        (get("A: b\0c\r\n"), Reason::MalformedHead),
        (get("A: b\rX: y\r\n"), Reason::MalformedHead),
        (
            post("Expect: tea\r\nContent-Length: 1\r\n\r\nx"),
            Reason::ExpectationFailed,
        ),
    ]
}

fn framings() -> Vec<(Vec<u8>, Reason)> {
    let coded = |coding: &str| post(&format!("Transfer-Encoding: {coding}\r\n\r\n0\r\n\r\n"));
    let length = |length: &str| post(&format!("Content-Length: {length}\r\n\r\nx"));
    let (one, code) = ("Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n");
    let old = format!("POST {INSTANCE} HTTP/1.0\r\n{code}\r\n0\r\n\r\n");
    vec![
        (
            post(&format!("{one}{code}\r\n0\r\n\r\n")),
            Reason::ConflictingFraming,
        ),
        (
            post(&format!("{code}{one}\r\n0\r\n\r\n")),
            Reason::ConflictingFraming,
        ),
        (
            post(&format!("{one}{one}\r\nx")),
            Reason::ConflictingFraming,
        ),
        (
            post(&format!("{one}Content-Length: 2\r\n\r\nxy")),
            Reason::ConflictingFraming,
        ),
        (length("+1"), Reason::InvalidContentLength),
        (length("-1"), Reason::InvalidContentLength),
        (length("1, 1"), Reason::InvalidContentLength),
        (length("0x1"), Reason::InvalidContentLength),
        (length("1 1"), Reason::InvalidContentLength),
        (length(""), Reason::InvalidContentLength),
        (coded("gzip, chunked"), Reason::UnsupportedTransferEncoding),
        (
            coded("chunked, identity"),
            Reason::UnsupportedTransferEncoding,
        ),
        (coded("identity"), Reason::UnsupportedTransferEncoding),
        (coded("xchunked"), Reason::UnsupportedTransferEncoding),
        (
            coded("chunked\r\nTransfer-Encoding: chunked"),
            Reason::UnsupportedTransferEncoding,
        ),
        (old.into_bytes(), Reason::UnsupportedTransferEncoding),
    ]
}

fn bodies() -> Vec<(Vec<u8>, Reason)> {
    let malformed = [
        "x\r\n",
        "+1\r\nx\r\n0\r\n\r\n",
        "0x1\r\nx\r\n0\r\n\r\n",
        " 1\r\nx\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "1\nx\r\n0\r\n\r\n",
        "1\r\nxy\r\n0\r\n\r\n",
        "1\r\nx\n0\r\n\r\n",
        "1;a\rb\r\nx\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nx",
        "0\r\na: b\n\r\n",
    ];
    let endless_extension = format!("1;{}", "a".repeat(4096));
    let endless_trailers = format!("0\r\n{}\r\n", "a: b\r\n".repeat(64));
    let malformed = malformed
        .iter()
        .copied()
        .chain([&*endless_extension, &*endless_trailers]);
    malformed
        .map(|body| (chunked(body), Reason::MalformedBody))
        .collect()
}

fn sizes() -> Vec<(Vec<u8>, Reason)> {
    let many = "a: b\r\n".repeat(MAX_HEADERS);
    let long = "a".repeat(MAX_TARGET_BYTES);
    let head = format!("a: {}\r\n", "a".repeat(MAX_HEAD_BYTES));
    let size = usize::try_from(MAX_BODY_BYTES).unwrap() + 1024;
    let body = "x".repeat(size);
    vec![
        (get(&many), Reason::HeadTooLarge),
        (get(&head), Reason::HeadTooLarge),
        (
            format!("GET {}", "/".repeat(MAX_HEAD_BYTES)).into_bytes(),
            Reason::HeadTooLarge,
        ),
        (target(&format!("/{long}")), Reason::TargetTooLong),
        (
            post(&format!("Content-Length: {size}\r\n\r\n{body}")),
            Reason::BodyTooLarge,
        ),
        (
            post("Content-Length: 99999999999999999999\r\n\r\n"),
            Reason::BodyTooLarge,
        ),
        (
            chunked(&format!("{size:x}\r\n{body}\r\n0\r\n\r\n")),
            Reason::BodyTooLarge,
        ),
        (
            chunked(&format!(
                "{}0\r\n\r\n",
                format!("400\r\n{}\r\n", "x".repeat(1024)).repeat(101)
            )),
            Reason::BodyTooLarge,
        ),
    ]
}

/// What two parsers could read differently.
pub(crate) fn ambiguous() -> Vec<(Vec<u8>, Reason)> {
    let line = |line: &str| get(&format!("{line}\r\nConnection: close\r\n"));
    let raw = |line: &[u8]| {
        [&b"GET /metadata/instance?api-version=2021-08-01 HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\nConnection: close\r\n"[..], line, b"\r\n\r\n"].concat()
    };
    let host = |host: &str| {
        format!(
            "GET {INSTANCE} HTTP/1.1\r\nHost: {host}\r\nMetadata: true\r\nConnection: close\r\n\r\n"
        )
        .into_bytes()
    };
    vec![
        (raw(b"X-Name: caf\xc3\xa9"), Reason::NonAsciiHeader),
        (raw(b"X-Name: \x80"), Reason::NonAsciiHeader),
        (raw(b"User-Agent: \xff\xfe"), Reason::NonAsciiHeader),
        (host("elsewhere.example"), Reason::ForeignHost),
        (host("169.254.169.254:81"), Reason::ForeignHost),
        (line("X-Dup: a\r\nX-Dup: b"), Reason::RepeatedHeader),
        (line("x_dup: a\r\nx-dup: b"), Reason::RepeatedHeader),
        (line("content_length: 5"), Reason::ConflictingFraming),
        (line("X-Forwarded-For: 127.0.0.1"), Reason::ForwardedRequest),
        (line("Forwarded: for=127.0.0.1"), Reason::ForwardedRequest),
        (line("Via: 1.1 proxy"), Reason::ForwardedRequest),
        (
            get("Connection: close, Metadata\r\n"),
            Reason::ConnectionNamesHeader,
        ),
        (
            target("//elsewhere.example/metadata/instance"),
            Reason::AbsoluteForm,
        ),
        (target("/metadata%2finstance"), Reason::EncodedSeparator),
        (
            target("/metadata/identity\\oauth2\\token/"),
            Reason::EncodedSeparator,
        ),
        (target("/metadata/./instance"), Reason::DotSegment),
        (
            target("/metadata/instance/%2e%2E/identity"),
            Reason::DotSegment,
        ),
        (target("/metadata/instance."), Reason::DotSegment),
        (target("/metadata%252finstance"), Reason::DoubleEncoding),
        (target("/metadata/instance%00"), Reason::ControlCharacter),
        (
            target("/metadata/instance%0d%0aX:%20y"),
            Reason::ControlCharacter,
        ),
        (target("/metadata/instance%c0%af"), Reason::InvalidEncoding),
        (
            target("/metadata/instance%3Fapi-version=2021-08-01"),
            Reason::EncodedDelimiter,
        ),
        (target("/metadata/instance;a=b"), Reason::PathParameter),
        (target("/metadata/instance|a"), Reason::UnusualPathCharacter),
        (
            target("/metadata/instance%zz"),
            Reason::InvalidPercentEncoding,
        ),
        (
            target("/metadata/instance?a=1&A=2"),
            Reason::RepeatedParameter,
        ),
        (
            target("/metadata/instance?a=bc&ab=c"),
            Reason::CollidingParameters,
        ),
        (target("/metadata/instance?=a"), Reason::NamelessParameter),
        (
            target("/metadata/instance?a+b=c"),
            Reason::UnusualParameterName,
        ),
        (
            target("/metadata/instance?a=1;b=2"),
            Reason::SemicolonInQuery,
        ),
    ]
}

/// What is legal and seldom, as root sends it, with the statuses that come back.
pub(crate) fn unusual() -> Vec<(Exchange, Vec<u16>)> {
    const CLOSE: &str = "Connection: close\r\n";
    let imds = |lines: &str| Exchange::imds(get(lines));
    let pipelined = [get(""), get(""), get(CLOSE)].concat();
    let health = |rest: &str| {
        Exchange::wireserver(format!(
            "POST /machine?comp=health HTTP/1.1\r\nHost: 168.63.129.16\r\n{rest}"
        ))
    };
    let whole = "x".repeat(usize::try_from(MAX_BODY_BYTES).unwrap());
    vec![
        (
            imds(CLOSE).byte_by_byte(Duration::from_millis(2)),
            vec![200],
        ),
        (imds("connection:\tclose \t\r\nACCEPT:*/*\r\n"), vec![200]),
        (
            imds("Connection: close\r\nAccept: a\r\nAccept: b\r\nX-Empty:\r\n"),
            vec![200],
        ),
        (
            imds("Connection: close\r\nContent-Length: 4\r\n\r\nbody"),
            vec![200],
        ),
        (Exchange::imds(pipelined), vec![200, 200, 200]),
        (
            Exchange::imds([b"\r\n\r\n".to_vec(), get(CLOSE)].concat()),
            vec![200],
        ),
        (
            Exchange::imds(format!("GET {INSTANCE} HTTP/1.0\r\nMetadata: true\r\n\r\n")),
            vec![200],
        ),
        (
            Exchange::imds(format!(
                "GET {INSTANCE} HTTP/1.0\r\nMetadata: true\r\nConnection: keep-alive\r\n\r\nGET {INSTANCE} HTTP/1.0\r\nMetadata: true\r\n\r\n"
            )),
            vec![200, 200],
        ),
        (
            Exchange::imds(target("/metadata///instance/?api-version=2021-08-01")),
            vec![200],
        ),
        (
            Exchange::imds(target("/METADATA/%49nstance?api-version=2021-08-01")),
            vec![200],
        ),
        (
            health("Connection: close\r\nContent-Length: 0\r\n\r\n"),
            vec![200],
        ),
        (
            health("Connection: close\r\nContent-Length: 007\r\n\r\n<Health"),
            vec![200],
        ),
        (
            health(
                "Connection: close\r\nTransfer-Encoding: Chunked\r\n\r\n4;a=\"b\"\r\n<He/\r\n1\r\n>\r\n0\r\nTrailer: x\r\n\r\n",
            ),
            vec![200],
        ),
        (
            health("Connection: close\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
                .then("body"),
            vec![100, 200],
        ),
        (
            health(
                "Connection: close\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
            )
            .then("4\r\nbody\r\n0\r\n\r\n"),
            vec![100, 200],
        ),
        (
            health(&format!(
                "Connection: close\r\nContent-Length: {MAX_BODY_BYTES}\r\n\r\n{whole}"
            )),
            vec![200],
        ),
        (
            health(&format!(
                "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n{MAX_BODY_BYTES:x}\r\n{whole}\r\n0\r\n\r\n"
            )),
            vec![200],
        ),
    ]
}
