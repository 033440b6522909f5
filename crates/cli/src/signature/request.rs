//! A request that is to be signed, in the form of the deployed agent's signing vectors.

use std::borrow::Cow;

use http::method::InvalidMethod;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use latchkey_protocol::head::{self, Version};
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
    #[error("`{0}` holds pairs of hexadecimal digits")]
    Digits(&'static str),
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
    Refused(Reason),
}

impl RequestError {
    /// Returns a stable word, and how the program ends.
    pub(super) const fn code(&self) -> (&'static str, Exit) {
        match self {
            Self::Refused(reason) => (reason.as_str(), Exit::Refused),
            Self::Digits(_) | Self::HeaderName(_) | Self::HeaderValue(_) | Self::Method { .. } => {
                ("invalid_request", Exit::Invalid)
            }
        }
    }

    /// Returns the string of the document that it is about.
    pub(super) fn word(&self) -> &str {
        match self {
            Self::Refused(_) => "url",
            Self::Digits(field) => field,
            Self::HeaderName(name) | Self::HeaderValue(name) => name,
            Self::Method { .. } => "method",
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
        let framing = head::read_framing(&self.headers, Version::Http11).err();
        let headers = || header::check(&self.headers).err();
        let target = || CanonicalTarget::parse(&self.target).err();
        framing
            .or_else(headers)
            .or_else(|| self.repetition())
            .or_else(target)
    }

    /// Returns whether a header stands twice. Of lists the agent signs one line that holds all
    /// values, where the scheme takes the last alone.
    fn repetition(&self) -> Option<Reason> {
        let is_repeated = |name| self.headers.get_all(name).iter().nth(1).is_some();
        let mut names = self.headers.keys();
        names.any(is_repeated).then_some(Reason::RepeatedHeader)
    }
}

impl SigningRequest {
    pub(super) fn parts(&self) -> Result<Parts, RequestError> {
        let method: Method = self.method.parse().map_err(|source| RequestError::Method {
            method: self.method.clone(),
            source,
        })?;
        Ok(Parts {
            target: self.target(&method)?,
            method,
            headers: self.header_map()?,
            body: bytes("body_hex", &self.body_hex)?,
        })
    }

    /// Returns the target as the agent reads it, and would refuse it.
    fn target(&self, method: &Method) -> Result<String, RequestError> {
        let written = match &self.url_hex {
            Some(digits) => bytes("url_hex", digits)?,
            None => self.url.clone().into_bytes(),
        };
        let is_whole = written.iter().all(u8::is_ascii_graphic);
        let text = String::from_utf8(written).ok().filter(|_| is_whole);
        let text = text.ok_or(RequestError::Refused(Reason::MalformedTarget))?;
        let target = origin_form(&text);
        head::check_line(method.as_str(), &target).map_err(RequestError::Refused)?;
        Ok(target.into_owned())
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
fn origin_form(url: &str) -> Cow<'_, str> {
    let without_fragment = url.split_once('#').map_or(url, |(before, _)| before);
    let Some(rest) = without_fragment.strip_prefix("http://") else {
        return Cow::Borrowed(without_fragment);
    };
    match rest.find(['/', '?']).map(|at| rest.split_at(at).1) {
        None => Cow::Borrowed("/"),
        Some(query) if query.starts_with('?') => Cow::Owned(format!("/{query}")),
        Some(target) => Cow::Borrowed(target),
    }
}

/// Reads the hexadecimal digits of a field in pairs.
fn bytes(field: &'static str, digits: &str) -> Result<Vec<u8>, RequestError> {
    hex::decode(digits).map_err(|_digits| RequestError::Digits(field))
}
