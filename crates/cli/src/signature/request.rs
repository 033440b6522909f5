//! A request that is to be signed, in the form of the deployed agent's signing vectors.

use http::method::InvalidMethod;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use latchkey_protocol::signature::Signable;
use latchkey_protocol::target::CanonicalTarget;
use latchkey_protocol::{Reason, header};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::exit::Exit;

/// A request as its file has it. Fields that are not known here are ignored: the vectors have more.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct SigningRequest {
    /// The method.
    method: String,
    /// The target: path and query; scheme and authority are dropped.
    url: String,
    /// The bytes of the target in hexadecimal digits, where they are no text.
    #[serde(default)]
    #[schemars(schema_with = "latchkey_policy::case::schema::digits")]
    url_hex: Option<String>,
    /// Names and values in their order; a character of a value stands for one byte (Latin-1).
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// The bytes of the body in hexadecimal digits.
    #[serde(default)]
    #[schemars(regex(pattern = "^([0-9A-Fa-f]{2})*$"))]
    body_hex: String,
    /// The id of the key, a GUID.
    #[serde(default)]
    pub(super) key_guid: Option<String>,
}

/// Why a request cannot be signed at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("`body_hex` and `url_hex` hold pairs of hexadecimal digits")]
    Digits,
    #[error("`{0}` is not the name of a header")]
    HeaderName(String),
    #[error("the value of the header `{0}` holds what no header may hold")]
    HeaderValue(String),
    #[error("`{method}` is no method")]
    Method {
        method: String,
        #[source]
        source: InvalidMethod,
    },
    #[error("{}", .0.title())]
    Target(Reason),
}

impl RequestError {
    /// Returns a stable word, and how the program ends.
    pub(super) const fn code(&self) -> (&'static str, Exit) {
        match self {
            Self::Target(reason) => (reason.as_str(), Exit::Refused),
            Self::Digits | Self::HeaderName(_) | Self::HeaderValue(_) | Self::Method { .. } => {
                ("invalid_request", Exit::Invalid)
            }
        }
    }
}

/// The parts of a request that a signature covers.
#[derive(Debug)]
pub(super) struct Parts {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Parts {
    pub(super) fn signable(&self) -> Signable<'_> {
        Signable {
            method: &self.method,
            target: &self.target,
            headers: &self.headers,
            body: &self.body,
        }
    }

    /// Returns why two readers of the signed request could take it for two requests.
    pub(super) fn ambiguity(&self) -> Option<Reason> {
        let headers = header::check(&self.headers).err();
        headers.or_else(|| CanonicalTarget::parse(&self.target).err())
    }
}

impl SigningRequest {
    pub(super) fn parts(&self) -> Result<Parts, RequestError> {
        let method = self.method.parse().map_err(|source| RequestError::Method {
            method: self.method.clone(),
            source,
        })?;
        Ok(Parts {
            method,
            target: self.target()?,
            headers: self.header_map()?,
            body: bytes(&self.body_hex)?,
        })
    }

    fn target(&self) -> Result<String, RequestError> {
        let written = match &self.url_hex {
            Some(digits) => bytes(digits)?,
            None => self.url.clone().into_bytes(),
        };
        let is_whole = written.iter().all(u8::is_ascii_graphic);
        let text = String::from_utf8(written).ok().filter(|_| is_whole);
        let text = text.ok_or(RequestError::Target(Reason::MalformedTarget))?;
        Ok(origin_form(&text).to_owned())
    }

    fn header_map(&self) -> Result<HeaderMap, RequestError> {
        let mut map = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let read: HeaderName = name
                .parse()
                .map_err(|_name| RequestError::HeaderName(name.clone()))?;
            let bytes: Option<Vec<u8>> = value
                .chars()
                .map(|character| u8::try_from(u32::from(character)).ok())
                .collect();
            let value = bytes.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok());
            map.append(
                read,
                value.ok_or_else(|| RequestError::HeaderValue(name.clone()))?,
            );
        }
        Ok(map)
    }
}

/// The scheme covers path and query alone: an absolute target loses scheme and authority.
fn origin_form(url: &str) -> &str {
    let without_fragment = url.split_once('#').map_or(url, |(before, _)| before);
    match without_fragment.strip_prefix("http://") {
        None => without_fragment,
        Some(rest) => rest.find('/').map_or("/", |at| rest.split_at(at).1),
    }
}

/// Reads hexadecimal digits in pairs.
fn bytes(digits: &str) -> Result<Vec<u8>, RequestError> {
    hex::decode(digits).map_err(|_digits| RequestError::Digits)
}
