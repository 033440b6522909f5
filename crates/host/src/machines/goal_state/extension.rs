//! An extension of a machine file: what it is, where it comes from, what it is told.

use std::collections::BTreeSet;

use latchkey_gateway::facts::goal_state::{
    Extension, ExtensionSettings, ExtensionState, ProtectedSettings,
};
use latchkey_gateway::redacted::Redacted;
use serde::Deserialize;
use serde_json::Value;

use super::super::unique::Unique;

/// One extension.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExtensionSection {
    /// Publisher and type, such as `Microsoft.Azure.Extensions.CustomScript`.
    name: String,
    /// The exact version.
    version: String,
    /// `enabled`, the default, `disabled` or `uninstall`.
    #[serde(default)]
    state: StateName,
    /// URLs of the manifest; the agent asks the first one first.
    manifests: Vec<String>,
    /// Raise it to have the extension run again.
    #[serde(default)]
    sequence: u32,
    /// What anybody on the machine may read: an object.
    public_settings: Option<Unique>,
    /// What only the agent can read: an object, which travels encrypted to `certificate`.
    protected_settings: Option<Redacted<Unique>>,
    /// The name of one of the machine's certificates.
    certificate: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StateName {
    Disabled,
    #[default]
    Enabled,
    Uninstall,
}

impl From<StateName> for ExtensionState {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Disabled => Self::Disabled,
            StateName::Enabled => Self::Enabled,
            StateName::Uninstall => Self::Uninstall,
        }
    }
}

impl ExtensionSection {
    /// Returns the extension's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the extension of a machine that has certificates of these names.
    pub(super) fn resolve(&self, certificates: &BTreeSet<&str>) -> Result<Extension, String> {
        let problem = |what: &str| Err(format!("extension `{}`: {what}", self.name));
        if self.manifests.is_empty() {
            return problem("`manifests` is empty: the agent could not fetch it");
        }
        let public = self.public_settings.as_ref().map(|Unique(value)| value);
        let protected = self
            .protected_settings
            .as_ref()
            .map(|Redacted(Unique(value))| value);
        if [public, protected]
            .into_iter()
            .flatten()
            .any(|value| !value.is_object())
        {
            return problem("settings are objects");
        }
        let protected = match (protected, self.certificate.as_deref()) {
            (None, None) => None,
            (Some(value), Some(name)) if certificates.contains(name) => {
                Some(protected_settings(value, name))
            }
            (Some(_), Some(_)) => return problem("`certificate` names none of the machine's"),
            (Some(_), None) => return problem("`protected_settings` need a `certificate`"),
            (None, Some(_)) => return problem("`certificate` is for `protected_settings`"),
        };
        let settings = (public.is_some() || protected.is_some()).then(|| ExtensionSettings {
            sequence: self.sequence,
            public: public.cloned(),
            protected,
        });
        Ok(Extension {
            name: self.name.clone(),
            version: self.version.clone(),
            state: self.state.into(),
            manifests: self.manifests.clone(),
            settings,
        })
    }
}

fn protected_settings(value: &Value, certificate: &str) -> ProtectedSettings {
    ProtectedSettings {
        certificate: certificate.to_owned(),
        value: Redacted(value.clone()),
    }
}
