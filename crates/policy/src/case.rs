//! A request that somebody wrote down, and what would become of it.
//!
//! It goes the way of a real one: through the parser that the agent reads requests with, and
//! through [`decide`]. What cannot be judged is an error with its reason, never a verdict.

use std::sync::Arc;

use jiff::Timestamp;
use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::head::{Parsed, parse};
use latchkey_protocol::{Caller, Endpoint, EndpointTable, Mode, Reason, Request, objects_only};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::document::InvalidProfile;
use crate::endpoint::{EndpointPolicy, KeyState};
use crate::rules::RuleSet;

mod claims;
#[cfg(feature = "schema")]
pub mod schema;
mod verdict;

pub use claims::{CallerClaims, ClaimsError};
pub use verdict::{Answer, Verdict};

/// One request and who makes it, as a line of a file has it.
///
/// `destination`, `url` and `claims` are other names of three fields, so that the vectors of the
/// deployed agent can be read as they are. Fields that are not known here are ignored.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = schema::other_names))]
#[serde(remote = "Self")]
pub struct RequestLine {
    /// What the answer is found by; any JSON value.
    #[serde(default)]
    pub id: Option<Value>,
    /// `imds`, `wireserver` or `hostga`.
    #[serde(alias = "destination")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::endpoint"))]
    pub endpoint: String,
    /// The method.
    pub method: String,
    /// The target: path and query.
    #[serde(alias = "url")]
    pub target: String,
    /// The bytes of the target in hexadecimal digits, where they are no text.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::digits"))]
    pub url_hex: Option<String>,
    /// The process that asks.
    #[serde(alias = "claims")]
    pub caller: CallerClaims,
    /// When it asks; what Audit has an end for depends on it.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "latchkey_protocol::authorization::schema::moment")
    )]
    pub time: Option<Timestamp>,
    /// The authorization item that it is judged by.
    // SECURITY: kept as it is written. As a value it would say the last of two modes, where the
    // agent refuses it.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<AuthorizationItem>"))]
    profile: Option<Box<RawValue>>,
    /// The same as text, where its JSON is what the case is about.
    #[serde(default)]
    profile_text: Option<String>,
}

objects_only!(RequestLine);

/// Why a line cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The caller is described wrongly.
    #[error(transparent)]
    Caller(#[from] ClaimsError),
    /// The line is no JSON object with the fields of a request.
    #[error("the line is no request")]
    Line(#[source] serde_json::Error),
    /// The profile breaks a rule.
    #[error(transparent)]
    Profile(#[from] InvalidProfile),
    /// The profile is no authorization item.
    #[error("the profile cannot be read")]
    ProfileForm(#[source] serde_json::Error),
    /// The bytes of the target are not in hexadecimal digits.
    #[error("`url_hex` is not hexadecimal")]
    TargetDigits(#[source] hex::FromHexError),
    /// There is no such endpoint.
    #[error("`{0}` is no endpoint: use imds, wireserver or hostga")]
    UnknownEndpoint(String),
}

impl CaseError {
    /// Returns the reason that the agent would give, where it has one.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::UnknownEndpoint(_) => Some(Reason::UnknownEndpoint),
            _ => None,
        }
    }
}

impl RequestLine {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is no JSON object with the fields of a request.
    pub fn read(text: &[u8]) -> Result<Self, CaseError> {
        serde_json::from_slice(text).map_err(CaseError::Line)
    }

    /// Returns whether the line is to be judged by a profile of its own.
    #[must_use]
    pub const fn brings_profile(&self) -> bool {
        self.profile.is_some() || self.profile_text.is_some()
    }

    /// Returns the profile that the line brings; none if it brings none, or null.
    ///
    /// # Errors
    /// When it is no authorization item.
    pub fn item(&self) -> Result<Option<AuthorizationItem>, CaseError> {
        let text = match (&self.profile_text, &self.profile) {
            (Some(text), _) => text,
            (None, Some(written)) => written.get(),
            (None, None) => return Ok(None),
        };
        serde_json::from_str(text)
            .map(Some)
            .map_err(CaseError::ProfileForm)
    }

    /// Returns the endpoint that is asked.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn endpoint(&self) -> Result<Endpoint, CaseError> {
        endpoint(&self.endpoint)
    }

    /// Returns the bytes of the target.
    ///
    /// # Errors
    /// When they are written down wrongly.
    pub fn target_bytes(&self) -> Result<Vec<u8>, CaseError> {
        match &self.url_hex {
            Some(digits) => hex::decode(digits).map_err(CaseError::TargetDigits),
            None => Ok(self.target.clone().into_bytes()),
        }
    }

    /// Returns the caller as rules see it.
    ///
    /// # Errors
    /// When an attribute cannot be read.
    pub fn caller(&self) -> Result<Caller, CaseError> {
        Ok(self.caller.caller()?)
    }

    /// Answers the line under the profile that it brings, or else under the endpoint's default rules.
    ///
    /// # Errors
    /// When it cannot be judged.
    pub fn answer(&self, now: Timestamp) -> Result<Answer, CaseError> {
        let endpoint = self.endpoint()?;
        let request = request(&endpoint, &self.method, &self.target_bytes()?);
        let caller = self.caller()?;
        let policy = policy(&endpoint, self.item()?.as_ref())?;
        Ok(match request {
            Ok(request) => Answer::to(request, &caller, &policy, self.time.unwrap_or(now)),
            Err(reason) => Answer::malformed(reason),
        })
    }
}

/// Returns the endpoint of this name among Azure's.
///
/// # Errors
/// When there is none.
pub fn endpoint(name: &str) -> Result<Endpoint, CaseError> {
    let table = EndpointTable::azure(Mode::Enforce);
    let found = table.as_slice().iter().find(|known| known.name == name);
    found
        .cloned()
        .ok_or_else(|| CaseError::UnknownEndpoint(name.to_owned()))
}

/// Returns what is in force under a profile, or without one.
///
/// # Errors
/// When the profile breaks a rule.
pub fn policy(
    endpoint: &Endpoint,
    item: Option<&AuthorizationItem>,
) -> Result<EndpointPolicy, InvalidProfile> {
    let rules = match item {
        Some(item) => RuleSet::compile(item)?,
        None => RuleSet::default_rules(Mode::Enforce),
    };
    Ok(EndpointPolicy::in_force(endpoint.kind, Arc::new(rules)))
}

/// Reads method and target as the agent would on the wire, with the endpoint's own `Host`.
///
/// # Errors
/// The reason that the agent would refuse with.
pub fn request(endpoint: &Endpoint, method: &str, target: &[u8]) -> Result<Request, Reason> {
    // SECURITY: a line feed in a recorded target would let it write headers of its own.
    if target.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return Err(Reason::MalformedTarget);
    }
    if method.contains(['\r', '\n', ' ']) {
        return Err(Reason::MalformedHead);
    }
    let address = endpoint.addresses.first();
    let host = address.map_or(String::new(), ToString::to_string);
    let tail = format!(" HTTP/1.1\r\nHost: {host}:{}\r\n\r\n", endpoint.port);
    let head = [method.as_bytes(), b" ", target, tail.as_bytes()].concat();
    match parse(&head)? {
        Parsed::Complete(head, _) => Request::read(*head, endpoint),
        Parsed::Partial => Err(Reason::MalformedHead),
    }
}

/// The state of the key that cases are judged with: what is asked is what the rules say.
pub const KEY: KeyState = KeyState::Held;

#[cfg(test)]
mod tests;
