//! Why a request was refused: the closed list, with one status and one sentence for each reason.
//!
//! A reason's code appears in the `latchkey-reason` response header, in the problem
//! body, in the audit record and in `docs/reference/reasons.md`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The response header that carries a reason's code.
pub const REASON_HEADER: &str = "latchkey-reason";

macro_rules! reasons {
    ($($(#[doc = $title:literal])+ $name:ident = $code:literal, $status:literal;)+) => {
        /// Why a request was refused, or in Audit would have been.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[doc = $title])+ #[serde(rename = $code)] $name,)+
        }

        impl Reason {
            /// Every reason, in the order of the reference documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Returns the code that names this reason everywhere outside the process.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// Returns the HTTP status of a refusal with this reason (RFC 9110 section 15).
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// Returns one sentence for people, without any detail of the request.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => concat!($($title),+).trim_ascii(),)+ }
            }
        }
    };
}

reasons! {
    // Not well-formed HTTP, or dangerous to any proxy: refused in Audit and in Enforce.
    /// The request head is not well-formed HTTP/1.
    MalformedHead = "malformed_head", 400;
    /// A line of the request head ends in a bare line feed.
    BareLineFeed = "bare_line_feed", 400;
    /// The request head exceeds the size or header count limit.
    HeadTooLarge = "head_too_large", 431;
    /// The request target exceeds the length limit.
    TargetTooLong = "target_too_long", 414;
    /// The request target does not begin with a slash, or holds a byte that none may hold.
    MalformedTarget = "malformed_target", 400;
    /// The request target names an authority, as only a proxy accepts, or could be read to name one.
    AbsoluteForm = "absolute_form", 400;
    /// The method is not one that a metadata service serves.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The request names no host.
    HostMissing = "host_missing", 400;
    /// The request names more than one host.
    HostRepeated = "host_repeated", 400;
    /// The request says in two ways where its body ends.
    ConflictingFraming = "conflicting_framing", 400;
    /// The content length is not a plain decimal number.
    InvalidContentLength = "invalid_content_length", 400;
    /// The transfer encoding is not exactly chunked.
    UnsupportedTransferEncoding = "unsupported_transfer_encoding", 400;
    /// The expectation is not 100-continue.
    ExpectationFailed = "expectation_failed", 417;
    /// The body exceeds the size limit.
    BodyTooLarge = "body_too_large", 413;
    /// The body is not well-formed, or ended early.
    MalformedBody = "malformed_body", 400;
    /// The request did not arrive in time.
    RequestTimeout = "request_timeout", 408;

    // Two parsers could read the request differently: refused in Enforce.
    /// The path holds an encoded or backward path separator.
    EncodedSeparator = "encoded_separator", 400;
    /// The path holds a dot segment, or a segment that ends in a dot.
    DotSegment = "dot_segment", 400;
    /// The path or query is percent-encoded twice.
    DoubleEncoding = "double_encoding", 400;
    /// The path or query holds an encoded control character.
    ControlCharacter = "control_character", 400;
    /// The path holds an encoded byte outside ASCII, or the query one outside UTF-8.
    InvalidEncoding = "invalid_encoding", 400;
    /// The path holds an encoded question mark or number sign.
    EncodedDelimiter = "encoded_delimiter", 400;
    /// The path holds a parameter after a semicolon.
    PathParameter = "path_parameter", 400;
    /// The path holds a character outside the conservative path grammar.
    UnusualPathCharacter = "unusual_path_character", 400;
    /// A percent sign is not followed by two hexadecimal digits.
    InvalidPercentEncoding = "invalid_percent_encoding", 400;
    /// A query parameter appears more than once.
    RepeatedParameter = "repeated_parameter", 400;
    /// Two query parameters would be signed as one.
    CollidingParameters = "colliding_parameters", 400;
    /// A query parameter has no name.
    NamelessParameter = "nameless_parameter", 400;
    /// The name of a query parameter holds a blank or a plus sign.
    UnusualParameterName = "unusual_parameter_name", 400;
    /// The query holds a semicolon, which some servers take for a separator.
    SemicolonInQuery = "semicolon_in_query", 400;
    /// A header that may appear once appears more than once.
    RepeatedHeader = "repeated_header", 400;
    /// A header value holds a byte outside printable ASCII.
    NonAsciiHeader = "non_ascii_header", 400;
    /// The host is not one that this endpoint answers for.
    ForeignHost = "foreign_host", 400;
    /// The request says that it was forwarded by a proxy.
    ForwardedRequest = "forwarded_request", 400;
    /// The connection header names a header that must not be dropped.
    ConnectionNamesHeader = "connection_names_header", 400;

    // Who asks.
    /// The connection was not redirected here by the kernel.
    NoFlowRecord = "no_flow_record", 421;
    /// The destination is no endpoint that the agent knows.
    UnknownEndpoint = "unknown_endpoint", 421;
    /// The calling process ended before it could be described.
    CallerGone = "caller_gone", 403;
    /// The calling process is no longer what the kernel saw connect.
    CallerReplaced = "caller_replaced", 403;
    /// The calling process could not be described.
    CallerUnreadable = "caller_unreadable", 403;

    // What the rules say.
    /// This endpoint answers only to root.
    RootRequired = "root_required", 403;
    /// No rule grants this request, and the default is to refuse.
    NoMatchingRule = "no_matching_rule", 403;
    /// A rule covers this request, and it does not name this caller.
    CallerNotAssigned = "caller_not_assigned", 403;
    /// The rules of this endpoint have not arrived yet.
    RulesPending = "rules_pending", 429;
    /// The signing key has not arrived yet.
    KeyPending = "key_pending", 429;

    // What stands in the way of an allowed request.
    /// The audit trail cannot take more records now.
    AuditQueueFull = "audit_queue_full", 429;
    /// Too many connections are open, or too many requests under way.
    Overloaded = "overloaded", 429;
    /// The metadata service could not be reached.
    UpstreamUnreachable = "upstream_unreachable", 502;
    /// The metadata service did not answer in HTTP, or broke off.
    UpstreamInvalid = "upstream_invalid", 502;
    /// The metadata service did not answer in time.
    UpstreamTimeout = "upstream_timeout", 504;
    /// The program failed to handle the request.
    InternalError = "internal_error", 500;

    // What the gateway refuses.
    /// The request comes from no machine that the gateway knows.
    UnknownMachine = "unknown_machine", 403;
    /// The request is not signed.
    SignatureMissing = "signature_missing", 401;
    /// The signature headers are not well-formed.
    SignatureMalformed = "signature_malformed", 401;
    /// A signature header appears more than once.
    SignatureRepeated = "signature_repeated", 401;
    /// The signature scheme is not known.
    UnknownScheme = "unknown_scheme", 401;
    /// The key is not the one latched for this machine.
    UnknownKey = "unknown_key", 401;
    /// The date of the signature is outside the accepted window.
    ClockSkew = "clock_skew", 401;
    /// The signature does not match the request.
    SignatureMismatch = "signature_mismatch", 401;
    /// A key is latched already, and its owner has not asked for a new one.
    KeyLatched = "key_latched", 403;
    /// The secure channel has no such call.
    UnknownChannelCall = "unknown_channel_call", 404;
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_snake_case_words() {
        let codes: HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for code in codes {
            assert!(
                code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{code}"
            );
        }
    }

    #[test]
    fn every_refusal_is_an_error_status_and_never_503() {
        for reason in Reason::ALL {
            assert!((400..600).contains(&reason.status()), "{reason}");
            // Provisioning agents take two 503 in a row for a failed machine.
            assert_ne!(reason.status(), 503, "{reason}");
        }
    }

    #[test]
    fn codes_survive_serialisation() {
        for reason in Reason::ALL {
            let text = serde_json::to_string(reason).unwrap();
            assert_eq!(text, format!("\"{reason}\""));
            assert_eq!(serde_json::from_str::<Reason>(&text).unwrap(), *reason);
        }
    }
}
