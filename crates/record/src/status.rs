//! The agent's own state, as its status file shows it.

use jiff::Timestamp;
use latchkey_protocol::Mode;
use serde::{Deserialize, Serialize};

use crate::coverage::Coverage;
use crate::protection::ProtectionStatus;

/// The version of this form.
pub const STATUS_VERSION: u32 = 1;

/// What an operator needs to know about one agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentStatus {
    /// [`STATUS_VERSION`].
    pub version: u32,
    /// The program's version.
    pub agent: String,
    /// When this was written.
    pub time: Timestamp,
    /// When the agent started.
    pub started: Timestamp,
    /// Whether every protected endpoint has what it needs, and no alarm stands.
    pub healthy: bool,
    /// The secure channel's state, as the host last reported it.
    pub channel: ChannelStatus,
    /// The endpoints in the order of the configuration.
    pub endpoints: Vec<EndpointStatus>,
    /// What stands in the kernel; absent in the status of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<ProtectionStatus>,
    /// Counters of the kernel programs, by name.
    pub kernel: Vec<(String, u64)>,
    /// Counters of the agent, by name.
    pub counters: Vec<(String, u64)>,
    /// What the kernel programs cover; absent until it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
}

/// The secure channel as the agent sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChannelStatus {
    /// The host's state text; absent before the first answer.
    pub state: Option<String>,
    /// The key in use.
    pub key: Option<String>,
    /// The incarnation of the key in use.
    pub incarnation: Option<u32>,
    /// When the host last answered the status call.
    pub last_answer: Option<Timestamp>,
    /// What is wrong, for people; absent when nothing is.
    pub problem: Option<String>,
}

/// One endpoint as the agent protects it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndpointStatus {
    /// The endpoint's name.
    pub name: String,
    /// The mode in force.
    pub mode: Mode,
    /// When Audit ends and is Enforce; present from a week before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_ends: Option<Timestamp>,
    /// The id of the rules in force; absent before the first.
    pub rules: Option<String>,
    /// SHA-256 of the rules in force, in hexadecimal digits.
    pub rules_hash: Option<String>,
    /// Why the newest rules are not in force.
    pub problem: Option<String>,
    /// Connections from before it was protected; absent until the agent has looked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preexisting: Option<PreexistingConnections>,
}

/// Connections that lead to one endpoint past the agent, because they were open before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreexistingConnections {
    /// How many the agent has destroyed since it started.
    pub destroyed: u64,
    /// How many go on, as of the last look; in Enforce those that could not be destroyed.
    pub left: u64,
}
