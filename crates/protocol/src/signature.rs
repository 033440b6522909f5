//! The deployed signature scheme, byte for byte: what is signed, the MAC over it, the header that carries it.
//!
//! The string to sign is `METHOD LF BODY LF (name ":" value LF)* PATH LF PARAMETERS`.
//! It is ambiguous for some requests; [`crate::request::Request`] keeps those out, this
//! module only reproduces the scheme.

use std::borrow::Cow;
use std::fmt;

use hmac::Mac as _;
use http::{HeaderMap, HeaderValue, Method};

use crate::header::HOST_AUTHORIZATION;
use crate::key::{KeyId, SigningKey};

/// The name of the scheme in the authorization header and in the secure channel's messages.
pub const SCHEME: &str = "Azure-HMAC-SHA256";
/// The length of a MAC in bytes.
pub const MAC_BYTES: usize = 32;

/// The parts of a request that a signature covers.
#[derive(Clone, Copy, Debug)]
pub struct Signable<'a> {
    /// The method as on the wire.
    pub method: &'a Method,
    /// The target as on the wire: path and query, or `*`.
    pub target: &'a str,
    /// All headers as on the wire; the authorization header is left out of the signature.
    pub headers: &'a HeaderMap,
    /// The body without any transfer coding.
    pub body: &'a [u8],
}

/// A request that this scheme cannot sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// A header value holds a byte outside ASCII, for which the scheme defines nothing.
    #[error("a header value holds a byte outside ASCII")]
    NonAsciiHeader,
}

/// A signature that does not match; says nothing about where it differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match the request")]
pub struct MismatchError;

impl Signable<'_> {
    /// Feeds the string to sign to `sink`, piece by piece.
    ///
    /// # Errors
    /// When the scheme cannot sign the request.
    pub fn write_to(&self, mut sink: impl FnMut(&[u8])) -> Result<(), SignError> {
        sink(self.method.as_str().as_bytes());
        sink(b"\n");
        sink(self.body);
        sink(b"\n");
        for (name, value) in self.sorted_headers()? {
            sink(name.as_bytes());
            sink(b":");
            sink(value);
            sink(b"\n");
        }
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        sink(path.as_bytes());
        sink(b"\n");
        write_parameters(query, sink);
        Ok(())
    }

    /// The last value of every header, trimmed, sorted by name.
    fn sorted_headers(&self) -> Result<Vec<(&str, &[u8])>, SignError> {
        let mut sorted = Vec::with_capacity(self.headers.keys_len());
        for name in self
            .headers
            .keys()
            .filter(|name| **name != HOST_AUTHORIZATION)
        {
            let last = self.headers.get_all(name).iter().next_back();
            let value = last.map_or(&b""[..], HeaderValue::as_bytes).trim_ascii();
            if !value.is_ascii() {
                return Err(SignError::NonAsciiHeader);
            }
            sorted.push((name.as_str(), value));
        }
        sorted.sort_unstable();
        Ok(sorted)
    }
}

/// Writes parameters sorted by name and value joined; of equal ones the last stays.
fn write_parameters(query: &str, mut sink: impl FnMut(&[u8])) {
    let mut pairs: Vec<(String, Cow<'_, str>, &str)> = Vec::new();
    for piece in query.split('&') {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        if name.is_empty() {
            continue;
        }
        let name = fold_case(name);
        pairs.push((format!("{name}{value}"), name, value));
    }
    // The sort is stable, so the last of equal ones is the one received last. Looking for equal
    // ones while collecting would cost the square of what a stranger may send.
    pairs.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let mut sorted = pairs.iter().peekable();
    let mut separator: &[u8] = b"";
    while let Some((joined, name, value)) = sorted.next() {
        if sorted.peek().is_some_and(|(next, ..)| next == joined) {
            continue;
        }
        sink(separator);
        separator = b"&";
        sink(name.as_bytes());
        if !value.is_empty() {
            sink(b"=");
            sink(value.as_bytes());
        }
    }
}

fn fold_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

impl SigningKey {
    /// Signs a request.
    ///
    /// # Errors
    /// When the scheme cannot sign the request.
    pub fn sign(&self, request: &Signable<'_>) -> Result<Authorization, SignError> {
        let mac = self.mac(request)?.finalize().into_bytes();
        Ok(Authorization {
            key: self.id().clone(),
            mac: mac.into(),
        })
    }

    /// Checks the MAC of a request in constant time.
    ///
    /// # Errors
    /// When it does not match, or the scheme cannot sign the request.
    pub fn verify(
        &self,
        request: &Signable<'_>,
        mac: &[u8; MAC_BYTES],
    ) -> Result<(), MismatchError> {
        let computed = self.mac(request).map_err(|_unsignable| MismatchError)?;
        computed.verify_slice(mac).map_err(|_mac| MismatchError)
    }

    fn mac(&self, request: &Signable<'_>) -> Result<hmac::Hmac<sha2::Sha256>, SignError> {
        let mut mac = self.keyed.clone();
        request.write_to(|piece| mac.update(piece))?;
        Ok(mac)
    }
}

/// The value of the authorization header: scheme, key and MAC.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization {
    /// The key that signed.
    pub key: KeyId,
    /// The MAC; compare it with [`SigningKey::verify`] alone.
    pub mac: [u8; MAC_BYTES],
}

/// Why a header value is no authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationError {
    /// It is not three words, or key id or MAC are not of their form.
    #[error("the authorization header is not well-formed")]
    Malformed,
    /// The first word is another scheme.
    #[error("the authorization scheme is not known")]
    UnknownScheme,
}

impl Authorization {
    /// Reads a header value: scheme, key id and 64 hexadecimal digits, single blanks between.
    ///
    /// # Errors
    /// When the value has any other form.
    pub fn parse(value: &[u8]) -> Result<Self, AuthorizationError> {
        let text = std::str::from_utf8(value).map_err(|_utf8| AuthorizationError::Malformed)?;
        let mut words = text.split(' ');
        if words.next() != Some(SCHEME) {
            return Err(AuthorizationError::UnknownScheme);
        }
        let (Some(key), Some(digits), None) = (words.next(), words.next(), words.next()) else {
            return Err(AuthorizationError::Malformed);
        };
        let key = KeyId::parse(key).map_err(|_id| AuthorizationError::Malformed)?;
        let mut mac = [0; MAC_BYTES];
        hex::decode_to_slice(digits, &mut mac).map_err(|_hex| AuthorizationError::Malformed)?;
        Ok(Self { key, mac })
    }

    /// Returns the header value; marked sensitive, so that logs redact it.
    #[must_use]
    pub fn header_value(&self) -> HeaderValue {
        let text = format!("{SCHEME} {} {}", self.key, hex::encode(self.mac));
        // The text is printable ASCII by construction; an empty value would only be refused.
        let mut value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b11";

    #[test]
    fn only_well_formed_authorizations_are_read() {
        let mac = "ab".repeat(MAC_BYTES);
        let good = format!("{SCHEME} {KEY} {mac}");
        let read = Authorization::parse(good.as_bytes()).unwrap();
        assert_eq!(read.header_value(), good.as_str());
        for (text, error) in [
            (String::new(), AuthorizationError::UnknownScheme),
            (
                format!("azure-hmac-sha256 {KEY} {mac}"),
                AuthorizationError::UnknownScheme,
            ),
            (
                format!("Bearer {KEY} {mac}"),
                AuthorizationError::UnknownScheme,
            ),
            (format!("{SCHEME} {KEY}"), AuthorizationError::Malformed),
            (
                format!("{SCHEME}  {KEY} {mac}"),
                AuthorizationError::Malformed,
            ),
            (
                format!("{SCHEME} {KEY} {mac} x"),
                AuthorizationError::Malformed,
            ),
            (format!("{SCHEME} x {mac}"), AuthorizationError::Malformed),
            (
                format!("{SCHEME} {KEY} {}", "ab".repeat(31)),
                AuthorizationError::Malformed,
            ),
        ] {
            assert_eq!(
                Authorization::parse(text.as_bytes()).unwrap_err(),
                error,
                "{text}"
            );
        }
    }

    #[test]
    fn debug_output_and_header_value_hide_the_mac() {
        let authorization = Authorization {
            key: KeyId::parse(KEY).unwrap(),
            mac: [7; MAC_BYTES],
        };
        assert!(!format!("{authorization:?}").contains("0707"));
        assert!(!format!("{:?}", authorization.header_value()).contains("0707"));
    }
}
