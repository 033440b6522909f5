//! The secure channel's status: which endpoints are protected how, and which key is latched.
//!
//! Reads versions 1.0 and 2.0. A status that cannot be understood whole is an error, so
//! that the last good one stays in force: unknown versions and modes never open anything.

use serde::{Deserialize, Serialize};

use crate::authorization::{AuthorizationItem, AuthorizationRules};
use crate::endpoint::EndpointKind;
use crate::key::KeyId;
use crate::mode::Mode;
use crate::objects_only_both_ways;
use crate::signature::SCHEME;

/// The status response as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct StatusDocument {
    /// The scheme that the host verifies.
    pub authorization_scheme: String,
    /// How keys reach the guest; `http` is the way that exists.
    pub key_delivery_method: String,
    /// The latched key, if there is one.
    #[serde(default)]
    pub key_guid: Option<String>,
    /// The incarnation of the latched key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_incarnation_id: Option<u32>,
    /// Claims that the host asks for; informative.
    #[serde(default)]
    pub required_claims_header_pairs: Option<Vec<String>>,
    /// Version 1.0: which endpoints are protected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure_channel_state: Option<String>,
    /// Version 2.0: the master switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure_channel_enabled: Option<bool>,
    /// `1.0` or `2.0`.
    pub version: String,
    /// Version 2.0: modes and rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_rules: Option<AuthorizationRules>,
}

objects_only_both_ways!(StatusDocument);

/// Why a status response is not usable.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// It is not JSON of the expected form.
    #[error("the status response is not of the expected form")]
    Malformed(#[source] serde_json::Error),
    /// The version is neither 1.0 nor 2.0.
    #[error("the status response has the unknown version `{0}`")]
    UnknownVersion(String),
    /// A field that this version must have is absent.
    #[error("the status response of version {version} lacks `{field}`")]
    Missing {
        /// The version it claims.
        version: &'static str,
        /// The field's name on the wire.
        field: &'static str,
    },
    /// The state of version 1.0 is not known.
    #[error("the secure channel state `{0}` is not known")]
    UnknownState(String),
    /// A mode is not known.
    #[error("the mode of `{endpoint}` is not known")]
    UnknownMode {
        /// Whose mode it is.
        endpoint: EndpointKind,
        /// The text that was found.
        #[source]
        source: crate::mode::ModeError,
    },
    /// The key id is no GUID.
    #[error("the latched key's id is not usable")]
    KeyId(#[from] crate::key::KeyIdError),
}

/// What a status means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecureChannel {
    /// The latched key.
    pub key: Option<KeyId>,
    /// The latched key's incarnation.
    pub incarnation: Option<u32>,
    /// The instance metadata service.
    pub imds: ChannelEndpoint,
    /// The WireServer and the HostGAPlugin.
    pub wire_server: ChannelEndpoint,
    /// One text for the whole state, as status files of deployed agents show it.
    pub state: String,
    /// What was ignored or looked odd; for the log.
    pub warnings: Vec<String>,
}

/// Mode and rules of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelEndpoint {
    /// The mode.
    pub mode: Mode,
    /// The item; absent in version 1.0, where the default rules hold.
    pub item: Option<AuthorizationItem>,
}

impl SecureChannel {
    /// Reads a status response.
    ///
    /// # Errors
    /// When any part that decides about protection is not understood.
    pub fn parse(json: &[u8]) -> Result<Self, StatusError> {
        let mut warnings = Vec::new();
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let document: StatusDocument = serde_ignored::deserialize(&mut deserializer, |path| {
            warnings.push(format!("unknown field `{path}` is ignored"));
        })
        .map_err(StatusError::Malformed)?;
        deserializer.end().map_err(StatusError::Malformed)?;
        if document.authorization_scheme != SCHEME {
            warnings.push("the host names another authorization scheme".to_owned());
        }
        if document.key_delivery_method != "http" {
            warnings.push("the host names another key delivery method than http".to_owned());
        }
        Self::interpret(document, warnings)
    }

    fn interpret(document: StatusDocument, warnings: Vec<String>) -> Result<Self, StatusError> {
        let legacy_state = document
            .secure_channel_state
            .as_deref()
            .map(LegacyState::parse)
            .transpose()?;
        let key = match document.key_guid.as_deref() {
            None | Some("") => None,
            Some(text) => Some(KeyId::parse(text)?),
        };
        let (imds, wire_server, state) = match document.version.as_str() {
            "1.0" => legacy_state
                .ok_or(StatusError::Missing {
                    version: "1.0",
                    field: "secureChannelState",
                })?
                .endpoints(),
            "2.0" => ruled_endpoints(
                document.secure_channel_enabled,
                document.authorization_rules,
            )?,
            _ => return Err(StatusError::UnknownVersion(document.version)),
        };
        Ok(Self {
            key,
            incarnation: document.key_incarnation_id,
            imds,
            wire_server,
            state,
            warnings,
        })
    }

    /// Returns what holds for endpoints of `kind`.
    #[must_use]
    pub const fn endpoint(&self, kind: EndpointKind) -> &ChannelEndpoint {
        match kind {
            EndpointKind::Imds => &self.imds,
            EndpointKind::WireServer | EndpointKind::HostGa => &self.wire_server,
        }
    }

    /// Returns whether any endpoint is protected, so that a key is wanted.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.state != "disabled"
    }
}

/// The three states of version 1.0.
#[derive(Clone, Copy)]
enum LegacyState {
    Disabled,
    WireServer,
    WireServerAndImds,
}

impl LegacyState {
    fn parse(text: &str) -> Result<Self, StatusError> {
        match text.to_ascii_lowercase().as_str() {
            "disabled" => Ok(Self::Disabled),
            "wireserver" => Ok(Self::WireServer),
            "wireserverandimds" => Ok(Self::WireServerAndImds),
            _ => Err(StatusError::UnknownState(text.to_owned())),
        }
    }

    fn endpoints(self) -> (ChannelEndpoint, ChannelEndpoint, String) {
        let (imds, wire_server, state) = match self {
            Self::Disabled => (Mode::Disabled, Mode::Disabled, "disabled"),
            Self::WireServer => (Mode::Audit, Mode::Enforce, "wireserver"),
            Self::WireServerAndImds => (Mode::Enforce, Mode::Enforce, "wireserverandimds"),
        };
        let endpoint = |mode| ChannelEndpoint { mode, item: None };
        (endpoint(imds), endpoint(wire_server), state.to_owned())
    }
}

fn ruled_endpoints(
    enabled: Option<bool>,
    rules: Option<AuthorizationRules>,
) -> Result<(ChannelEndpoint, ChannelEndpoint, String), StatusError> {
    let enabled = enabled.ok_or(StatusError::Missing {
        version: "2.0",
        field: "secureChannelEnabled",
    })?;
    let Some(rules) = rules.filter(|_| enabled) else {
        return Ok(LegacyState::Disabled.endpoints());
    };
    let imds = ruled_endpoint(EndpointKind::Imds, rules.imds)?;
    let wire_server = ruled_endpoint(EndpointKind::WireServer, rules.wireserver)?;
    let state = format!(
        "WireServer {} -  IMDS {} - HostGA {}",
        wire_server.mode, imds.mode, wire_server.mode
    );
    Ok((imds, wire_server, state))
}

fn ruled_endpoint(
    endpoint: EndpointKind,
    item: Option<AuthorizationItem>,
) -> Result<ChannelEndpoint, StatusError> {
    let mode = match &item {
        None => Mode::Disabled,
        Some(item) => item
            .mode
            .parse()
            .map_err(|source| StatusError::UnknownMode { endpoint, source })?,
    };
    Ok(ChannelEndpoint { mode, item })
}

#[cfg(test)]
mod tests;
