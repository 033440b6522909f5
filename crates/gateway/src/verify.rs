//! Checks the signature of a guest's request: exactly one of each header, a known key, the MAC, the date.
//!
//! Pure; the time comes as a value. A key that is not known costs the same as a MAC that
//! does not match, so that time says nothing about keys. Refuses every other spelling of
//! the reserved headers: another server could read them.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use latchkey_protocol::header::{HOST_AUTHORIZATION, HOST_CLAIMS, HOST_DATE};
use latchkey_protocol::signature::{Authorization, AuthorizationError, Signable};
use latchkey_protocol::{Claims, KeyId, Reason, SigningKey};

use crate::clock::parse_http_date;
use crate::key_service::KeyKnown;

/// How far the date of a signature may lie from the gateway's time, either way.
pub const DATE_WINDOW: Duration = Duration::from_secs(300);

const RESERVED_PREFIX: &str = "x-ms-azure-host-";

/// The signature headers of one request, well-formed but not verified.
#[derive(Clone, Debug)]
pub struct Signature {
    authorization: Authorization,
    claims: Claims,
    date: Timestamp,
}

impl Signature {
    /// Reads the signature headers; nothing when the request carries no authorization.
    ///
    /// # Errors
    /// When the headers are repeated, incomplete, spelled differently or not well-formed.
    pub fn read(headers: &HeaderMap) -> Result<Option<Self>, Reason> {
        refuse_other_spellings(headers)?;
        if !headers.contains_key(HOST_AUTHORIZATION) {
            return Ok(None);
        }
        let authorization = Authorization::parse(only(headers, &HOST_AUTHORIZATION)?.as_bytes())
            .map_err(|error| match error {
                AuthorizationError::Malformed => Reason::SignatureMalformed,
                AuthorizationError::UnknownScheme => Reason::UnknownScheme,
            })?;
        let claims = Claims::parse(only(headers, &HOST_CLAIMS)?.as_bytes());
        let date = parse_http_date(only(headers, &HOST_DATE)?.as_bytes());
        match (claims, date) {
            (Some(claims), Some(date)) => Ok(Some(Self {
                authorization,
                claims,
                date,
            })),
            _ => Err(Reason::SignatureMalformed),
        }
    }

    /// Returns the key that the signature names.
    #[must_use]
    pub const fn key(&self) -> &KeyId {
        &self.authorization.key
    }

    /// Checks the signature with `key`: the one it names, or any when `known` says that it names
    /// none of the machine's.
    ///
    /// # Errors
    /// When the key is not known, the MAC does not match, or the date is outside the window.
    pub fn verify(
        &self,
        request: &Signable<'_>,
        key: &SigningKey,
        known: KeyKnown,
        now: Timestamp,
    ) -> Result<Claims, Reason> {
        let matches = key.verify(request, &self.authorization.mac).is_ok();
        match (known, matches) {
            (KeyKnown::No, _) => Err(Reason::UnknownKey),
            (KeyKnown::Known, false) => Err(Reason::SignatureMismatch),
            (KeyKnown::Known, true) if !is_near(self.date, now) => Err(Reason::ClockSkew),
            (KeyKnown::Known, true) => Ok(self.claims),
        }
    }
}

/// Refuses headers of several lines in a signed request.
///
/// SECURITY: the scheme covers the last line of a header alone, so anybody on the way could have
/// added the ones before it.
///
/// # Errors
/// [`Reason::RepeatedHeader`] when a line is not covered.
pub fn require_covered(headers: &HeaderMap) -> Result<(), Reason> {
    if headers.len() == headers.keys_len() {
        Ok(())
    } else {
        Err(Reason::RepeatedHeader)
    }
}

fn is_near(date: Timestamp, now: Timestamp) -> bool {
    date.duration_since(now).unsigned_abs() <= window().unsigned_abs()
}

const fn window() -> SignedDuration {
    SignedDuration::from_secs(DATE_WINDOW.as_secs().cast_signed())
}

/// SECURITY: some servers take an underscore for a hyphen, and a later header of the family
/// could mean something to them that no signature of ours covers alone.
fn refuse_other_spellings(headers: &HeaderMap) -> Result<(), Reason> {
    let is_ours = |name: &HeaderName| [HOST_AUTHORIZATION, HOST_CLAIMS, HOST_DATE].contains(name);
    let is_like_ours =
        |name: &HeaderName| name.as_str().replace('_', "-").starts_with(RESERVED_PREFIX);
    if headers
        .keys()
        .any(|name| is_like_ours(name) && !is_ours(name))
    {
        return Err(Reason::SignatureMalformed);
    }
    Ok(())
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a HeaderValue, Reason> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(Reason::SignatureMalformed),
        (Some(_), Some(_)) => Err(Reason::SignatureRepeated),
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use latchkey_protocol::Elevation;

    use super::*;

    const NOW: &str = "2026-01-06T07:08:09Z";

    struct Case {
        headers: HeaderMap,
        target: &'static str,
        body: Vec<u8>,
    }

    fn key(id: &str) -> SigningKey {
        SigningKey::from_hex(KeyId::parse(id).unwrap(), &"4A".repeat(32)).unwrap()
    }

    fn own() -> SigningKey {
        key("9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b11")
    }

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    impl Case {
        fn signed(seconds: i64, by: &SigningKey) -> Self {
            let date = crate::clock::http_date(now() + SignedDuration::from_secs(seconds));
            let mut case = Self {
                headers: HeaderMap::new(),
                target: "/a?b=c",
                body: b"body".to_vec(),
            };
            let claims = Claims {
                elevation: Elevation::Root,
            }
            .header_value();
            case.headers
                .insert("host", "169.254.169.254".parse().unwrap());
            case.headers.insert(HOST_CLAIMS, claims.parse().unwrap());
            case.headers.insert(HOST_DATE, date.parse().unwrap());
            let authorization = by.sign(&case.signable()).unwrap().header_value();
            case.headers.insert(HOST_AUTHORIZATION, authorization);
            case
        }

        fn signable(&self) -> Signable<'_> {
            Signable {
                method: &Method::GET,
                target: self.target,
                headers: &self.headers,
                body: &self.body,
            }
        }

        fn check(&self) -> Result<Claims, Reason> {
            let Some(signature) = Signature::read(&self.headers)? else {
                return Err(Reason::SignatureMissing);
            };
            let known = if signature.key() == own().id() {
                KeyKnown::Known
            } else {
                KeyKnown::No
            };
            signature.verify(&self.signable(), &own(), known, now())
        }
    }

    #[test]
    fn signature_by_the_latched_key_is_accepted_again_and_again() {
        let case = Case::signed(0, &own());
        for _ in 0..2 {
            assert_eq!(case.check().unwrap().elevation, Elevation::Root);
        }
    }

    #[test]
    fn unsigned_request_has_no_signature_even_with_date_and_claims() {
        let mut case = Case::signed(0, &own());
        case.headers.remove(HOST_AUTHORIZATION);
        assert_eq!(case.check(), Err(Reason::SignatureMissing));
    }

    #[test]
    fn date_outside_the_window_is_refused() {
        for seconds in [-300, 0, 300] {
            assert!(Case::signed(seconds, &own()).check().is_ok(), "{seconds}");
        }
        for seconds in [-301, 301, 86400 * 365] {
            assert_eq!(
                Case::signed(seconds, &own()).check(),
                Err(Reason::ClockSkew),
                "{seconds}"
            );
        }
    }

    #[test]
    fn unknown_key_is_refused() {
        let other = key("11111111-5f7e-4a10-8a44-0d0c2f4d7b11");
        assert_eq!(Case::signed(0, &other).check(), Err(Reason::UnknownKey));
    }

    #[test]
    fn mac_by_another_secret_is_refused() {
        let other = SigningKey::from_hex(own().id().clone(), &"4B".repeat(32)).unwrap();
        assert_eq!(
            Case::signed(0, &other).check(),
            Err(Reason::SignatureMismatch)
        );
    }

    #[test]
    fn every_change_of_the_request_breaks_the_signature() {
        let changes: [fn(&mut Case); 6] = [
            |case| case.target = "/b?b=c",
            |case| case.target = "/a?b=d",
            |case| case.body.push(b'x'),
            |case| {
                drop(
                    case.headers
                        .insert("metadata", HeaderValue::from_static("true")),
                )
            },
            |case| {
                drop(
                    case.headers
                        .insert("connection", HeaderValue::from_static("close")),
                )
            },
            |case| {
                drop(case.headers.insert(
                    HOST_CLAIMS,
                    HeaderValue::from_static(r#"{ "isRoot": "false"}"#),
                ))
            },
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut case = Case::signed(0, &own());
            change(&mut case);
            assert_eq!(
                case.check(),
                Err(Reason::SignatureMismatch),
                "change {index}"
            );
        }
    }

    #[test]
    fn repeated_signature_header_is_refused() {
        for name in [HOST_AUTHORIZATION, HOST_CLAIMS, HOST_DATE] {
            let mut case = Case::signed(0, &own());
            let value = case.headers[&name].clone();
            case.headers.append(&name, value);
            assert_eq!(case.check(), Err(Reason::SignatureRepeated), "{name}");
        }
    }

    #[test]
    fn header_line_that_the_signature_does_not_cover_is_refused() {
        let mut case = Case::signed(0, &own());
        assert_eq!(require_covered(&case.headers), Ok(()));
        let covered = case.headers["host"].clone();
        case.headers
            .insert("host", "added.example".parse().unwrap());
        case.headers.append("host", covered);
        assert!(case.check().is_ok(), "the MAC alone does not show it");
        assert_eq!(require_covered(&case.headers), Err(Reason::RepeatedHeader));
    }

    #[test]
    fn absent_date_or_claims_is_refused() {
        for name in [HOST_CLAIMS, HOST_DATE] {
            let mut case = Case::signed(0, &own());
            case.headers.remove(&name);
            assert_eq!(case.check(), Err(Reason::SignatureMalformed), "{name}");
        }
    }

    #[test]
    fn other_spelling_or_member_of_the_family_is_refused() {
        for name in [
            "x_ms_azure_host_claims",
            "x-ms-azure-host_date",
            "x-ms-azure-host-nonce",
            "x_ms_azure_host_authorization",
        ] {
            let mut case = Case::signed(0, &own());
            case.headers
                .insert(HeaderName::from_static(name), HeaderValue::from_static("a"));
            assert_eq!(case.check(), Err(Reason::SignatureMalformed), "{name}");
        }
    }

    #[test]
    fn other_scheme_is_refused() {
        let mut case = Case::signed(0, &own());
        let value = case.headers[HOST_AUTHORIZATION]
            .to_str()
            .unwrap()
            .replace("Azure-HMAC", "azure-hmac");
        case.headers
            .insert(HOST_AUTHORIZATION, value.parse().unwrap());
        assert_eq!(case.check(), Err(Reason::UnknownScheme));
    }

    #[test]
    fn claim_that_is_neither_deployed_text_is_refused() {
        let mut case = Case::signed(0, &own());
        case.headers.insert(
            HOST_CLAIMS,
            HeaderValue::from_static(r#"{"isRoot":"true"}"#),
        );
        assert_eq!(case.check(), Err(Reason::SignatureMalformed));
    }
}
