//! What happens to headers on the way through: which are reserved, dropped, combined or ambiguous.
//!
//! A client's own signature headers never pass, in any spelling. Hop-by-hop headers end
//! here (RFC 9110 section 7.6.1). What remains is unambiguous under the deployed
//! signature, which covers one value per name.

use std::borrow::Cow;

use http::header::{
    ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CACHE_CONTROL, CONNECTION,
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, EXPECT, FORWARDED, IF_MATCH, IF_NONE_MATCH,
    PRAGMA, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VARY,
    VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::reason::Reason;

/// The date that a signature covers, and that a host tells the time by.
pub const HOST_DATE: HeaderName = HeaderName::from_static("x-ms-azure-host-date");
/// What a signed request claims about its caller.
pub const HOST_CLAIMS: HeaderName = HeaderName::from_static("x-ms-azure-host-claims");
/// The signature itself.
pub const HOST_AUTHORIZATION: HeaderName = HeaderName::from_static("x-ms-azure-host-authorization");

const RESERVED_PREFIX: &[u8] = b"x-ms-azure-host-";
/// Another signature, and the headers by which some servers take another method or path than the
/// request line's.
const RESERVED_NAMES: [&[u8]; 6] = [
    b"x-ms-azure-signature",
    b"x-http-method-override",
    b"x-http-method",
    b"x-method-override",
    b"x-original-url",
    b"x-rewrite-url",
];

const HOP_BY_HOP: [HeaderName; 11] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    EXPECT,
];

/// Headers defined as comma-separated lists, whose lines may be combined (RFC 9110 section 5.3).
const LISTS: [HeaderName; 11] = [
    ACCEPT,
    ACCEPT_CHARSET,
    ACCEPT_ENCODING,
    ACCEPT_LANGUAGE,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    IF_MATCH,
    IF_NONE_MATCH,
    PRAGMA,
    VARY,
];

/// Returns whether a client may never set this header, also when spelled with underscores.
#[must_use]
pub fn is_reserved(name: &HeaderName) -> bool {
    let folded = fold_underscores(name);
    folded.starts_with(RESERVED_PREFIX) || RESERVED_NAMES.contains(&&*folded)
}

fn is_forwarding(name: &HeaderName) -> bool {
    name == FORWARDED || name == VIA || fold_underscores(name).starts_with(b"x-forwarded-")
}

/// Headers by which some servers take a request for another client's; forwarding headers besides.
const CLIENT_ADDRESSES: [&[u8]; 4] = [
    b"x-real-ip",
    b"x-client-ip",
    b"x-cluster-client-ip",
    b"true-client-ip",
];

/// SECURITY: some servers take `x_ms_azure_host_claims` for `x-ms-azure-host-claims`.
fn fold_underscores(name: &HeaderName) -> Cow<'_, [u8]> {
    let name = name.as_str().as_bytes();
    if !name.contains(&b'_') {
        return Cow::Borrowed(name);
    }
    let hyphenated = name
        .iter()
        .map(|byte| if *byte == b'_' { b'-' } else { *byte });
    Cow::Owned(hyphenated.collect())
}

/// Returns whether this header is meant for the next hop alone, also when spelled with underscores.
#[must_use]
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    let folded = fold_underscores(name);
    HOP_BY_HOP
        .iter()
        .any(|own| own.as_str().as_bytes() == &*folded)
}

/// Finds why headers could be read, or signed, in more than one way.
///
/// # Errors
/// The first reason found. Reserved and hop-by-hop headers, which [`strip`] drops, are not looked at.
pub fn check(headers: &HeaderMap) -> Result<(), Reason> {
    for name in headers.keys() {
        if is_forwarding(name) {
            return Err(Reason::ForwardedRequest);
        }
        if is_hop_by_hop(name) || is_reserved(name) {
            continue;
        }
        refuse_second_spelling(name, headers)?;
        let values = headers.get_all(name);
        if values
            .iter()
            .any(|value| !value.as_bytes().iter().all(is_plain))
        {
            return Err(Reason::NonAsciiHeader);
        }
        if values.iter().nth(1).is_some() && !LISTS.contains(name) {
            return Err(Reason::RepeatedHeader);
        }
    }
    refuse_nominated_headers(headers)
}

/// SECURITY: to a server that takes underscores for hyphens, `x_ms_version` is a second
/// `x-ms-version`, and `content_length` says where the body ends.
fn refuse_second_spelling(name: &HeaderName, headers: &HeaderMap) -> Result<(), Reason> {
    let Cow::Owned(folded) = fold_underscores(name) else {
        return Ok(());
    };
    if is_misspelled_length(name) {
        return Err(Reason::ConflictingFraming);
    }
    let is_other_spelling =
        |other: &&HeaderName| *other != name && *fold_underscores(other) == *folded;
    match headers.keys().find(is_other_spelling) {
        Some(_) => Err(Reason::RepeatedHeader),
        None => Ok(()),
    }
}

const fn is_plain(byte: &u8) -> bool {
    matches!(byte, b'\t' | 0x20..=0x7E)
}

/// SECURITY: `Connection: Metadata` asks the next hop to drop a header that matters.
fn refuse_nominated_headers(headers: &HeaderMap) -> Result<(), Reason> {
    let is_refused = |name: HeaderName| headers.contains_key(&name) && !is_hop_by_hop(&name);
    if nominated(headers).any(is_refused) {
        return Err(Reason::ConnectionNamesHeader);
    }
    Ok(())
}

/// Returns the headers that `Connection` names.
fn nominated(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let options = headers.get_all(CONNECTION).iter();
    let options = options.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    options.filter_map(|option| HeaderName::from_bytes(option.trim_ascii()).ok())
}

/// Drops what may not travel on in a request: reserved and hop-by-hop headers, and a length of the
/// body in another spelling.
pub fn strip(headers: &mut HeaderMap) {
    strip_if(headers, |name| {
        is_reserved(name) || is_hop_by_hop(name) || is_misspelled_length(name)
    });
}

/// SECURITY: a server that takes `content_length` for `Content-Length` reads the next request on
/// the connection, which may be another client's, as this one's body.
fn is_misspelled_length(name: &HeaderName) -> bool {
    *name != CONTENT_LENGTH && &*fold_underscores(name) == CONTENT_LENGTH.as_str().as_bytes()
}

fn strip_if(headers: &mut HeaderMap, is_dropped: impl Fn(&HeaderName) -> bool) {
    let dropped: Vec<_> = headers
        .keys()
        .filter(|name| is_dropped(name))
        .cloned()
        .collect();
    for name in dropped {
        headers.remove(name);
    }
}

/// Drops what says where a request came from before: forwarding headers, and what else servers take
/// for the address of a client.
///
/// SECURITY: a metadata service that tells machines apart by `X-Forwarded-For` gave one machine the
/// data of another (OSSN-0074).
pub fn strip_origin(headers: &mut HeaderMap) {
    strip_if(headers, |name| {
        is_forwarding(name) || CLIENT_ADDRESSES.contains(&&*fold_underscores(name))
    });
}

/// Drops a header in all its spellings.
pub fn strip_name(headers: &mut HeaderMap, dropped: &HeaderName) {
    let dropped = fold_underscores(dropped);
    strip_if(headers, |name| fold_underscores(name) == dropped);
}

/// Drops what is meant for the next hop alone, what `Connection` names included (RFC 9110 section 7.6.1).
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<_> = nominated(headers).collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Combines repeated list headers into one line each, in the order received.
pub fn combine_lists(headers: &mut HeaderMap) {
    for name in &LISTS {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        if values.len() < 2 {
            continue;
        }
        if let Ok(combined) = HeaderValue::from_bytes(&values.join(&b", "[..])) {
            headers.insert(name.clone(), combined);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (
                    name.parse::<HeaderName>().unwrap(),
                    HeaderValue::from_bytes(value.as_bytes()).unwrap(),
                )
            })
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            })
    }

    #[test]
    fn reserved_and_hop_by_hop_headers_are_dropped_in_every_spelling() {
        let mut map = headers(&[
            ("X-MS-Azure-Host-Claims", "a"),
            ("x_ms_azure_host_date", "a"),
            ("x-ms_azure-host-authorization", "a"),
            ("x-ms-azure-signature", "a"),
            ("X-HTTP-Method-Override", "PUT"),
            ("X-Original-URL", "/metadata/identity"),
            ("x_rewrite-url", "/metadata/identity"),
            ("Connection", "keep-alive, Upgrade, HTTP2-Settings"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "a"),
            ("Keep-Alive", "5"),
            ("Proxy-Authorization", "a"),
            ("TE", "trailers"),
            ("Transfer-Encoding", "chunked"),
            ("transfer_encoding", "chunked"),
            ("proxy_connection", "a"),
            ("Expect", "100-continue"),
            ("Metadata", "true"),
            ("x-ms-version", "2012-11-30"),
        ]);
        assert_eq!(check(&map), Ok(()));
        strip(&mut map);
        let mut left: Vec<_> = map.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["metadata", "x-ms-version"]);
    }

    #[test]
    fn length_of_the_body_travels_in_its_own_spelling_alone() {
        let mut map = headers(&[
            ("Content-Length", "5"),
            ("content_length", "50"),
            ("Content_Length", "50"),
        ]);
        strip(&mut map);
        assert_eq!(map, headers(&[("content-length", "5")]));
    }

    #[test]
    fn repeated_lists_are_combined_and_repeated_singletons_are_ambiguous() {
        let mut map = headers(&[("accept", "a"), ("accept", "b, c")]);
        assert_eq!(check(&map), Ok(()));
        combine_lists(&mut map);
        assert_eq!(
            map.get_all("accept").iter().collect::<Vec<_>>(),
            ["a, b, c"]
        );
        assert_eq!(
            check(&headers(&[("metadata", "true"), ("metadata", "true")])),
            Err(Reason::RepeatedHeader)
        );
        assert_eq!(
            check(&headers(&[("x-dup", "a"), ("x-dup", "b")])),
            Err(Reason::RepeatedHeader)
        );
    }

    #[test]
    fn second_spelling_of_a_header_is_ambiguous() {
        for lines in [
            [("x-ms-version", "a"), ("x_ms_version", "b")],
            [("x_ms-version", "a"), ("x-ms_version", "a")],
        ] {
            assert_eq!(
                check(&headers(&lines)),
                Err(Reason::RepeatedHeader),
                "{lines:?}"
            );
        }
        assert_eq!(
            check(&headers(&[("x_trace", "a"), ("x-other", "b")])),
            Ok(())
        );
        assert_eq!(
            check(&headers(&[("content_length", "5")])),
            Err(Reason::ConflictingFraming)
        );
    }

    #[test]
    fn forwarded_requests_are_ambiguous() {
        for name in [
            "X-Forwarded-For",
            "x_forwarded_for",
            "X-Forwarded-Host",
            "Forwarded",
            "Via",
        ] {
            assert_eq!(
                check(&headers(&[(name, "a")])),
                Err(Reason::ForwardedRequest),
                "{name}"
            );
        }
    }

    #[test]
    fn nothing_is_left_that_tells_where_a_request_came_from() {
        let mut map = headers(&[
            ("X-Forwarded-For", "10.0.0.9"),
            ("x_forwarded_host", "a"),
            ("Forwarded", "for=10.0.0.9"),
            ("Via", "1.1 a"),
            ("X-Real-IP", "10.0.0.9"),
            ("true_client_ip", "10.0.0.9"),
            ("Metadata", "true"),
        ]);
        strip_origin(&mut map);
        assert_eq!(map.keys().collect::<Vec<_>>(), ["metadata"]);
    }

    #[test]
    fn named_header_is_dropped_in_all_its_spellings_and_no_other_one() {
        let mut map = headers(&[
            ("X-Instance-ID", "a"),
            ("x_instance-id", "a"),
            ("X-Instance-ID-Signature", "a"),
        ]);
        strip_name(&mut map, &HeaderName::from_static("x-instance-id"));
        assert_eq!(map.keys().collect::<Vec<_>>(), ["x-instance-id-signature"]);
    }

    #[test]
    fn what_connection_names_ends_here_too() {
        let mut map = headers(&[
            ("Connection", "close, X-Hop"),
            ("X-Hop", "a"),
            ("Keep-Alive", "5"),
            ("Server", "a"),
        ]);
        strip_hop_by_hop(&mut map);
        assert_eq!(map.keys().collect::<Vec<_>>(), ["server"]);
    }

    #[test]
    fn connection_may_not_name_a_header_that_matters() {
        let map = headers(&[("connection", "close, Metadata"), ("metadata", "true")]);
        assert_eq!(check(&map), Err(Reason::ConnectionNamesHeader));
        assert_eq!(
            check(&headers(&[("connection", "close, x-absent")])),
            Ok(())
        );
    }

    #[test]
    fn header_bytes_outside_ascii_are_ambiguous() {
        assert_eq!(
            check(&headers(&[("x-bin", "café")])),
            Err(Reason::NonAsciiHeader)
        );
    }
}
