//! The settings of the metadata security protocol in a virtual machine or scale set.

use serde::{Deserialize, Serialize};

/// `properties.securityProfile.proxyAgentSettings`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProxyAgentSettings {
    /// Whether the other settings count; without, the machine is not protected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The mode of both endpoints; superseded by theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The owner's count of key resets; only grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_incarnation_id: Option<u32>,
    /// The instance metadata service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imds: Option<HostEndpointSettings>,
    /// The WireServer and the HostGAPlugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire_server: Option<HostEndpointSettings>,
    /// Whether the platform installs the agent; kept and reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_proxy_agent_extension: Option<bool>,
}

/// The settings of one endpoint: a mode, or a profile version, not both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostEndpointSettings {
    /// `Audit`, `Enforce` or `Disabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The resource id of a profile version.
    #[serde(
        default,
        rename = "inVMAccessControlProfileReferenceId",
        skip_serializing_if = "Option::is_none"
    )]
    pub profile: Option<String>,
    /// Whether the agent adds the rules of a file in the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_local_file_rules: Option<bool>,
}
