//! The properties of a profile version, as its document has them.

use latchkey_protocol::authorization::AccessControlRules;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `properties` of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionProperties {
    /// `Audit`, `Enforce` or `Disabled`.
    pub mode: String,
    /// `Allow` or `Deny`.
    pub default_access: String,
    /// Until when Audit lasts (RFC 3339); a field of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_until: Option<String>,
    /// The rules; without, the default decides everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<AccessControlRules>,
    /// The regions that it is replicated to; kept and reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_locations: Option<Vec<Value>>,
    /// Whether `latest` passes it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_from_latest: Option<bool>,
    /// When it was made; set by control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_date: Option<String>,
    /// `Succeeded`; set by control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioning_state: Option<String>,
}
