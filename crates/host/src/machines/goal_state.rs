//! What a machine's agents are told to do, as its file says it: certificates, extensions, users.

mod certificate;
mod extension;

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use latchkey_gateway::facts::goal_state::{
    AgentFamily, BlobKind, Extension, GoalState, MachineCertificate, RemoteUser, StatusBlob,
};
use latchkey_gateway::redacted::Redacted;
use serde::Deserialize;

use super::problem::Problems;
use super::sources::Sources;
use certificate::CertificateSection;
use extension::ExtensionSection;

/// The goal state of a machine file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct GoalStateSection {
    /// Certificates that the machine's agents install with their private keys.
    certificates: Vec<CertificateSection>,
    /// Where the agent finds its own updates; without, it keeps its version.
    agent_families: Vec<AgentFamilySection>,
    /// Extensions, in this order.
    extensions: Vec<ExtensionSection>,
    /// The URL that the agent writes its status to; without, it reports none.
    status_blob: Option<Redacted<String>>,
    /// How the status is written: `BlockBlob`, the default, or `PageBlob`.
    status_blob_kind: BlobKindName,
    /// Users who may log in for a time.
    remote_users: Vec<RemoteUserSection>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum BlobKindName {
    #[default]
    BlockBlob,
    PageBlob,
}

/// One family of the agent's versions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentFamilySection {
    /// Its name, such as `Prod`.
    name: String,
    /// The version that the machine is to run; without, the agent chooses.
    version: Option<String>,
    /// URLs of the manifest.
    manifests: Vec<String>,
}

/// A user who may log in for a time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RemoteUserSection {
    /// The account.
    name: String,
    /// The password.
    password: Redacted<String>,
    /// When the agent is to remove the account.
    expires: Timestamp,
}

impl GoalStateSection {
    /// Returns the goal state of the machine whose file is `path`.
    pub(super) fn resolve(
        &self,
        path: &Path,
        sources: &mut Sources,
        problems: &mut Problems,
    ) -> GoalState {
        let certificates = self.certificates(path, sources, problems);
        let names: BTreeSet<_> = self.certificates.iter().map(|own| own.name()).collect();
        let extensions = self.extensions(&names, problems);
        let kind = match self.status_blob_kind {
            BlobKindName::BlockBlob => BlobKind::Block,
            BlobKindName::PageBlob => BlobKind::Page,
        };
        GoalState {
            certificates,
            agent_families: self.agent_families.iter().map(AgentFamily::from).collect(),
            extensions,
            status_blob: self.status_blob.clone().map(|url| StatusBlob { url, kind }),
            remote_users: self.remote_users.iter().map(RemoteUser::from).collect(),
        }
    }

    fn certificates(
        &self,
        path: &Path,
        sources: &mut Sources,
        problems: &mut Problems,
    ) -> Vec<MachineCertificate> {
        let mut names = BTreeSet::new();
        let mut certificates = Vec::new();
        for (index, section) in self.certificates.iter().enumerate() {
            let field = format!("goal_state.certificates.{index}");
            if !names.insert(section.name()) {
                let name = section.name();
                let message = format!("`goal_state`: two certificates are named `{name}`");
                problems.at(&field, message);
            }
            match section.resolve(path, sources) {
                Ok(certificate) => certificates.push(certificate),
                Err(problem) => problems.at(field, format!("`goal_state`: {problem}")),
            }
        }
        certificates
    }

    fn extensions(&self, certificates: &BTreeSet<&str>, problems: &mut Problems) -> Vec<Extension> {
        let mut names = BTreeSet::new();
        let mut extensions = Vec::new();
        for (index, section) in self.extensions.iter().enumerate() {
            let field = format!("goal_state.extensions.{index}");
            if !names.insert(section.name().to_lowercase()) {
                let name = section.name();
                let message = format!("`goal_state`: the extension `{name}` is given twice");
                problems.at(&field, message);
            }
            match section.resolve(certificates) {
                Ok(extension) => extensions.push(extension),
                // It may name a certificate that could not be read.
                Err(problem) => problems.between(field, format!("`goal_state`: {problem}")),
            }
        }
        extensions
    }
}

impl From<&AgentFamilySection> for AgentFamily {
    fn from(section: &AgentFamilySection) -> Self {
        Self {
            name: section.name.clone(),
            version: section.version.clone(),
            manifests: section.manifests.clone(),
        }
    }
}

impl From<&RemoteUserSection> for RemoteUser {
    fn from(section: &RemoteUserSection) -> Self {
        Self {
            name: section.name.clone(),
            password: section.password.clone(),
            expires: section.expires,
        }
    }
}
