//! Whether a host asks for local rules, and what then holds: the host's rules and the file's, or nothing.
//!
//! A host says so in the id of its item: base64 of a JSON object with the id proper and a
//! flag. The mode is always the host's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::objects_only;
use serde::Deserialize;

use super::LocalRules;
use super::merge::merged;
use crate::document::{Form, InvalidDocument, InvalidProfile, read_bytes};
use crate::rules::{Access, RuleSet};

/// What the id of an item says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    id: String,
    uses_local_rules: bool,
}

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
struct Encoded {
    id: Option<String>,
    use_local_file_rules: Option<bool>,
}

objects_only!(Encoded);

/// Why the rules of host and file together are not put into force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// The host's rules are wrong by themselves.
    #[error("the host's rules are invalid")]
    Host(#[source] InvalidProfile),
    /// The file is wrong by itself.
    #[error("the local rule file is invalid")]
    File(#[source] InvalidDocument),
    /// Both are valid, and together they are not.
    #[error("the local rule file does not fit the host's rules")]
    Together(#[source] InvalidProfile),
}

impl Contract {
    /// Reads the id of an item. One that is no contract asks for nothing and stays as it is, so that
    /// what an agent reports is what the host has sent.
    #[must_use]
    pub fn read(id: &str) -> Self {
        let decoded = STANDARD.decode(id.trim()).ok();
        let encoded = decoded.and_then(|bytes| serde_json::from_slice::<Encoded>(&bytes).ok());
        let uses_local_rules = encoded
            .as_ref()
            .and_then(|encoded| encoded.use_local_file_rules)
            .unwrap_or_default();
        let own = encoded.and_then(|encoded| encoded.id).unwrap_or_default();
        let id = if own.is_empty() {
            id.to_owned()
        } else {
            format!("{own}-useLocalFileRules-{uses_local_rules}")
        };
        Self {
            id,
            uses_local_rules,
        }
    }

    /// Returns whether the host asks for local rules.
    #[must_use]
    pub const fn uses_local_rules(&self) -> bool {
        self.uses_local_rules
    }

    /// Returns the host's item alone, as where there is no local file.
    #[must_use]
    pub fn host_alone(&self, host: &AuthorizationItem) -> AuthorizationItem {
        AuthorizationItem {
            id: self.id.clone(),
            ..host.clone()
        }
    }

    /// Joins the host's item and the content of a local file.
    ///
    /// # Errors
    /// When either is invalid, or both together are.
    pub fn merge(
        &self,
        host: &AuthorizationItem,
        file: &[u8],
    ) -> Result<AuthorizationItem, MergeError> {
        // By themselves first, so that neither makes up for a mistake of the other.
        RuleSet::compile(host).map_err(MergeError::Host)?;
        let document = read_bytes(file, Some(Form::Local)).map_err(MergeError::File)?;
        let item = merged(self.host_alone(host), &LocalRules::from(&document));
        RuleSet::compile(&item).map_err(MergeError::Together)?;
        Ok(item)
    }

    /// Returns what holds when a local file cannot be used and no good one is known: no rules, and
    /// nothing is allowed, in the host's mode.
    ///
    /// SECURITY: the file may have restricted what the host alone would let through. Audit stays
    /// Audit, since it is there to break nothing, and ends when the host says so: a bad file must
    /// not put off the end of a trial.
    #[must_use]
    pub fn closed(&self, host: &AuthorizationItem) -> AuthorizationItem {
        AuthorizationItem {
            default_access: Access::Deny.as_str().to_owned(),
            rules: None,
            ..self.host_alone(host)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_that_encodes_a_list_is_no_contract() {
        for (json, is_contract) in [
            (r#"{"id":"r","useLocalFileRules":true}"#, true),
            (r#"["r",true]"#, false),
            ("[]", false),
        ] {
            let id = STANDARD.encode(json);
            let contract = Contract::read(&id);
            assert_eq!(contract.uses_local_rules(), is_contract, "{json}");
            assert_eq!(contract.id == id, !is_contract, "{json}");
        }
    }
}
