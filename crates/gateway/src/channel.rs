//! The secure channel's calls: status, key, attestation; open to unsigned callers in every mode.
//!
//! Knows three exact paths. Everything else below `/secure-channel` is refused, so that
//! no other spelling of a call reaches a service behind the gateway.

use http::{Method, StatusCode};
use jiff::Timestamp;
use latchkey_protocol::authorization::AuthorizationRules;
use latchkey_protocol::latch::{KEY_PATH, STATUS_PATH, attested_key};
use latchkey_protocol::request::Meaning;
use latchkey_protocol::signature::{SCHEME, Signable};
use latchkey_protocol::status::StatusDocument;
use latchkey_protocol::{EndpointKind, KeyId, Reason, Request};
use percent_encoding::percent_decode;
use serde::Deserialize;
use tracing::info;

use crate::answer::{self, Answer};
use crate::key_service::{KeyKnown, KeyService, KeyServiceError};
use crate::latch::{Announcement, Candidate};
use crate::machine::{Channel, Machine, Protection};
use crate::verify::Signature;

const CHANNEL: &str = "secure-channel";
/// How often a path is decoded in the search for the channel; one that then still changes is
/// taken for it.
const MAX_DECODINGS: usize = 4;

/// A call of the secure channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChannelCall {
    /// `GET /secure-channel/status`.
    Status,
    /// `POST /secure-channel/key`.
    Key,
    /// `POST /secure-channel/key/{id}/key-attestation`.
    Attestation(KeyId),
    /// Anything else below `/secure-channel`.
    Unknown,
}

impl ChannelCall {
    /// Recognises a call at the one endpoint that has them.
    pub(crate) fn recognise(request: &Request, kind: EndpointKind) -> Option<Self> {
        if kind != EndpointKind::WireServer {
            return None;
        }
        let head = request.head();
        let target = match request.meaning() {
            Meaning::Canonical(target) => target,
            Meaning::Ambiguous(_) => {
                return may_name_the_channel(head.path_and_query().0).then_some(Self::Unknown);
            }
        };
        let mut segments = target.path().split('/').skip(1);
        if segments.next() != Some(CHANNEL) {
            return None;
        }
        let call = match (&head.method, head.target.as_str()) {
            (&Method::GET, STATUS_PATH) => Self::Status,
            (&Method::POST, KEY_PATH) => Self::Key,
            (&Method::POST, target) => {
                attested_key(target).map_or(Self::Unknown, Self::Attestation)
            }
            _ => Self::Unknown,
        };
        Some(call)
    }

    /// Answers the call of a machine.
    ///
    /// # Errors
    /// When it is refused, or the key store fails.
    pub(crate) async fn answer(
        self,
        keys: &KeyService,
        machine: &Machine,
        request: &Request,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Answer, KeyServiceError> {
        match self {
            Self::Status => {
                let announced = keys.announce(machine).await?;
                Ok(answer::json(StatusCode::OK, &status(machine, &announced)))
            }
            Self::Key => {
                check_key_request(body)?;
                let key = keys.issue(machine, now).await?;
                info!(machine = %machine.id, key = %key.id(), "key issued, attestation pending");
                let document = key.issued().to_json();
                let body = document.as_bytes().to_vec();
                Ok(answer::with_body(
                    StatusCode::OK,
                    "application/json; charset=utf-8",
                    body,
                ))
            }
            Self::Attestation(id) => attest(keys, machine, &id, request, body, now).await,
            Self::Unknown => Err(Reason::UnknownChannelCall.into()),
        }
    }
}

/// Returns whether a service that reads a path leniently could take it for one of the channel.
///
/// SECURITY: outside Enforce ambiguous requests are answered, and the channel of a service behind
/// the gateway must not be reached by `/./secure-channel/key`.
fn may_name_the_channel(path: &str) -> bool {
    let mut text = path.to_ascii_lowercase().into_bytes();
    for _ in 0..MAX_DECODINGS {
        if text
            .windows(CHANNEL.len())
            .any(|part| part == CHANNEL.as_bytes())
        {
            return true;
        }
        let mut decoded: Vec<u8> = percent_decode(&text).collect();
        decoded.make_ascii_lowercase();
        if decoded == text {
            return false;
        }
        text = decoded;
    }
    true
}

async fn attest(
    keys: &KeyService,
    machine: &Machine,
    id: &KeyId,
    request: &Request,
    body: &[u8],
    now: Timestamp,
) -> Result<Answer, KeyServiceError> {
    let head = request.head();
    let signature = Signature::read(&head.headers)?.ok_or(Reason::SignatureMissing)?;
    if signature.key() != id {
        return Err(Reason::UnknownKey.into());
    }
    let proof = |key: &_, known: KeyKnown| {
        let signable = Signable {
            method: &head.method,
            target: &head.target,
            headers: &head.headers,
            body,
        };
        signature.verify(&signable, key, known, now).map(drop)
    };
    match keys.attest(machine, id, proof).await? {
        Candidate::Pending(key) => {
            info!(machine = %machine.id, key = %id, incarnation = key.incarnation(), "key latched");
        }
        Candidate::Latched(_) => {}
    }
    Ok(answer::empty(StatusCode::OK))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyRequest<'a> {
    #[serde(borrow)]
    authorization_scheme: std::borrow::Cow<'a, str>,
}

/// Refuses a key call for a scheme that the gateway does not verify.
fn check_key_request(body: &[u8]) -> Result<(), Reason> {
    let request: KeyRequest<'_> =
        serde_json::from_slice(body).map_err(|_json| Reason::MalformedBody)?;
    if request.authorization_scheme == SCHEME {
        Ok(())
    } else {
        Err(Reason::UnknownScheme)
    }
}

/// Returns the status document of a machine.
fn status(machine: &Machine, announced: &Announcement) -> StatusDocument {
    let (key_guid, key_incarnation_id) = match announced {
        Announcement::Latched(id, incarnation) => (Some(id.to_string()), Some(*incarnation)),
        Announcement::Wanted => (None, None),
    };
    let (state, enabled, version, rules) = match &machine.channel {
        Channel::State(state) => (Some(state.as_str().to_owned()), None, "1.0", None),
        Channel::Rules { imds, wire_server } => {
            let is_enabled = imds.is_some() || wire_server.is_some();
            (
                None,
                Some(is_enabled),
                "2.0",
                Some(announced_rules(imds.as_deref(), wire_server.as_deref())),
            )
        }
    };
    StatusDocument {
        authorization_scheme: SCHEME.to_owned(),
        key_delivery_method: "http".to_owned(),
        key_guid,
        key_incarnation_id,
        required_claims_header_pairs: Some(vec!["isRoot".to_owned()]),
        secure_channel_state: state,
        secure_channel_enabled: enabled,
        version: version.to_owned(),
        authorization_rules: rules,
    }
}

fn announced_rules(
    imds: Option<&Protection>,
    wire_server: Option<&Protection>,
) -> AuthorizationRules {
    let item = |protection: &Protection| protection.item().clone();
    AuthorizationRules {
        imds: imds.map(item),
        wireserver: wire_server.map(item),
        hostga: None,
    }
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::authorization::AuthorizationItem;
    use latchkey_protocol::head::{Parsed, parse};
    use latchkey_protocol::latch::KEY_REQUEST_BODY;
    use latchkey_protocol::status::SecureChannel;
    use latchkey_protocol::{EndpointTable, Mode};

    use super::*;
    use crate::machine::tests::machine;

    fn recognise(endpoint: usize, line: &str) -> Option<ChannelCall> {
        let host = if endpoint == 0 {
            "169.254.169.254"
        } else {
            "168.63.129.16"
        };
        let text = format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let Ok(Parsed::Complete(head, _)) = parse(text.as_bytes()) else {
            panic!("{line}")
        };
        let table = EndpointTable::azure(Mode::Enforce);
        let endpoint = &table.as_slice()[endpoint];
        ChannelCall::recognise(&Request::read(*head, endpoint).unwrap(), endpoint.kind)
    }

    #[test]
    fn only_the_three_exact_calls_are_known_and_only_at_the_wire_server() {
        let id = "9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b11";
        let attestation = format!("POST /secure-channel/key/{id}/key-attestation");
        assert_eq!(
            recognise(1, "GET /secure-channel/status"),
            Some(ChannelCall::Status)
        );
        assert_eq!(
            recognise(1, "POST /secure-channel/key"),
            Some(ChannelCall::Key)
        );
        assert!(matches!(
            recognise(1, &attestation),
            Some(ChannelCall::Attestation(_))
        ));
        for line in [
            "GET /Secure-Channel/status",
            "POST /secure-channel/status",
            "GET /secure-channel//key",
            "GET //secure-channel//key",
            "POST /./secure-channel/key",
            "POST /x/../secure-channel/key",
            "POST /secure-channel;x/key",
            "POST /.%2fSecure%2dChannel/key",
            "POST /secure%252dchannel/key",
            "POST /%2525252525252525252525",
            "GET /secure-channel",
            "POST /secure-channel/key?x=1",
            "POST /secure-channel/key/x/key-attestation",
        ] {
            assert_eq!(recognise(1, line), Some(ChannelCall::Unknown), "{line}");
        }
        for endpoint in [0, 2] {
            assert_eq!(recognise(endpoint, "GET /secure-channel/status"), None);
        }
        for line in ["GET /secure-channels", "GET /./machine", "GET //machine"] {
            assert_eq!(recognise(1, line), None, "{line}");
        }
    }

    #[test]
    fn status_says_what_a_strict_guest_understands() {
        let mut machine = machine("a", "10.0.0.4", None);
        let wanted = serde_json::to_vec(&status(&machine, &Announcement::Wanted)).unwrap();
        let read = SecureChannel::parse(&wanted).unwrap();
        assert_eq!((read.state.as_str(), read.key), ("wireserverandimds", None));
        let item = AuthorizationItem {
            default_access: "Deny".to_owned(),
            mode: "enforce".to_owned(),
            id: "one".to_owned(),
            ..AuthorizationItem::default()
        };
        machine.channel = Channel::Rules {
            imds: Some(Box::new(Protection::try_from(item).unwrap())),
            wire_server: None,
        };
        let id = KeyId::parse("9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b11").unwrap();
        let announced = Announcement::Latched(id.clone(), 3);
        let read =
            SecureChannel::parse(&serde_json::to_vec(&status(&machine, &announced)).unwrap())
                .unwrap();
        assert_eq!((read.key, read.incarnation), (Some(id), Some(3)));
        assert_eq!(read.imds.mode, Mode::Enforce);
        assert_eq!(read.wire_server.mode, Mode::Disabled);
        assert!(read.warnings.is_empty(), "{:?}", read.warnings);
    }

    #[test]
    fn key_call_for_another_scheme_is_refused() {
        assert_eq!(check_key_request(KEY_REQUEST_BODY.as_bytes()), Ok(()));
        assert_eq!(
            check_key_request(br#"{"authorizationScheme":"X"}"#),
            Err(Reason::UnknownScheme)
        );
        assert_eq!(check_key_request(b""), Err(Reason::MalformedBody));
    }
}
