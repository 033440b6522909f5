//! What a machine's agents are told to do: certificates to hold, extensions to run, users to make.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::certificate::CertifiedKey;
use crate::redacted::Redacted;

/// The part of the goal state that a machine's owner decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoalState {
    /// Certificates with their private keys.
    pub certificates: Vec<MachineCertificate>,
    /// Where the agent finds its own updates.
    pub agent_families: Vec<AgentFamily>,
    /// Extensions in the owner's order.
    pub extensions: Vec<Extension>,
    /// Where the agent reports what it has done.
    pub status_blob: Option<StatusBlob>,
    /// Users who may log in for a time.
    pub remote_users: Vec<RemoteUser>,
}

/// A certificate of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineCertificate {
    /// Names it among the machine's certificates.
    pub name: String,
    /// The certificate and its key; without, the host makes one and keeps it while it runs.
    pub given: Option<Arc<CertifiedKey>>,
}

/// One family of the agent's versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentFamily {
    /// Its name, such as `Prod`.
    pub name: String,
    /// The version that the machine is to run; without, the agent chooses.
    pub version: Option<String>,
    /// URLs of the manifest.
    pub manifests: Vec<String>,
}

/// What is to become of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtensionState {
    /// Stopped.
    Disabled,
    /// Installed and running.
    Enabled,
    /// Removed.
    Uninstall,
}

impl ExtensionState {
    /// Returns the state's text on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Uninstall => "uninstall",
        }
    }
}

/// One extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Publisher and type.
    pub name: String,
    /// The version.
    pub version: String,
    /// What is to become of it.
    pub state: ExtensionState,
    /// URLs of the manifest; the first is asked first.
    pub manifests: Vec<String>,
    /// What it is told; without, nothing.
    pub settings: Option<ExtensionSettings>,
}

/// The settings of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionSettings {
    /// Raised by the owner to have the extension run again.
    pub sequence: u32,
    /// What anybody on the machine may read.
    pub public: Option<Value>,
    /// What only the agent can read.
    pub protected: Option<ProtectedSettings>,
}

/// Settings that travel encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedSettings {
    /// The name of the machine's certificate that they are encrypted to.
    pub certificate: String,
    /// The settings.
    pub value: Redacted<Value>,
}

/// Where an agent writes its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusBlob {
    /// The URL, which usually holds the permission to write.
    pub url: Redacted<String>,
    /// How the blob is written.
    pub kind: BlobKind,
}

/// The kind of a blob.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlobKind {
    /// Written whole.
    #[default]
    Block,
    /// Written by pages.
    Page,
}

impl BlobKind {
    /// Returns the kind's text on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Block => "BlockBlob",
            Self::Page => "PageBlob",
        }
    }
}

/// A user who may log in until a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteUser {
    /// The account.
    pub name: String,
    /// The password, which travels encrypted to the agent.
    pub password: Redacted<String>,
    /// When the agent is to remove the account.
    pub expires: Timestamp,
}
