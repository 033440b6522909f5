//! The rule files of this machine's administrator, read anew in each round and joined with the host's rules.
//!
//! A file counts only if root alone can have written it, and changes by content. A bad one
//! never replaces the last good content; where there is none, nothing is allowed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use latchkey_policy::document::{InvalidProfile, MAX_BYTES};
use latchkey_policy::local::{Contract, MergeError};
use latchkey_policy::{RuleSet, content_hash};
use latchkey_protocol::EndpointKind;
use latchkey_protocol::authorization::AuthorizationItem;

use crate::file::{self, FileError};

/// Why a local rule file is not in force.
#[derive(Debug, thiserror::Error)]
pub enum LocalRulesError {
    /// The file cannot be read, or others may have written it.
    #[error("the local rule file cannot be used")]
    File(#[from] FileError),
    /// Its content cannot be used.
    #[error("the local rule file {path} is not in force")]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: MergeError,
    },
}

/// What a host's item becomes on this machine.
#[derive(Debug)]
pub struct Joined {
    /// What is to be in force.
    pub item: AuthorizationItem,
    /// Why the local file is not part of it as it is now.
    pub problem: Option<LocalRulesError>,
}

/// The folder of local rule files, and what was good of it.
#[derive(Debug)]
pub struct LocalRuleFiles {
    folder: PathBuf,
    good: BTreeMap<&'static str, Merge>,
}

/// A merge that was valid.
#[derive(Debug)]
struct Merge {
    /// The hash of the host's item.
    host: String,
    /// The content of the file; nothing where there was none.
    content: Option<Vec<u8>>,
    item: AuthorizationItem,
}

impl LocalRuleFiles {
    /// Reads files of this folder from now on; it need not be there.
    #[must_use]
    pub const fn of(folder: PathBuf) -> Self {
        Self {
            folder,
            good: BTreeMap::new(),
        }
    }

    /// Joins a host's item with the local file, if the host asks for it.
    ///
    /// # Errors
    /// When the host's own rules are invalid.
    pub fn join(
        &mut self,
        kind: EndpointKind,
        host: &AuthorizationItem,
    ) -> Result<Joined, InvalidProfile> {
        let contract = Contract::read(&host.id);
        let Some(name) = file_name(kind) else {
            return Ok(Joined {
                item: contract.host_alone(host),
                problem: None,
            });
        };
        if !contract.uses_local_rules() {
            self.good.remove(name);
            return Ok(Joined {
                item: contract.host_alone(host),
                problem: None,
            });
        }
        let read = file::read_trusted(&self.folder, name, MAX_BYTES as u64);
        let problem = match read {
            Ok(content) => match self.merge(name, &contract, host, content) {
                Ok(item) => {
                    return Ok(Joined {
                        item,
                        problem: None,
                    });
                }
                Err(MergeError::Host(invalid)) => return Err(invalid),
                Err(source) => LocalRulesError::Content {
                    path: self.folder.join(name),
                    source,
                },
            },
            Err(error) => LocalRulesError::File(error),
        };
        // SECURITY: the last good content goes on with the host's rules of today, so that a bad
        // file holds up nothing that the host withdraws.
        let last = self.good.get(name).map(|good| good.content.clone());
        let item = match last.map(|content| self.merge(name, &contract, host, content)) {
            Some(Ok(item)) => item,
            Some(Err(MergeError::Host(invalid))) => return Err(invalid),
            Some(Err(_)) | None => {
                RuleSet::compile(host)?;
                contract.closed(host)
            }
        };
        Ok(Joined {
            item,
            problem: Some(problem),
        })
    }

    /// Merges, or returns what the same merge gave the last time.
    fn merge(
        &mut self,
        name: &'static str,
        contract: &Contract,
        host: &AuthorizationItem,
        content: Option<Vec<u8>>,
    ) -> Result<AuthorizationItem, MergeError> {
        let hash = content_hash(host);
        let good = self.good.get(name);
        if let Some(good) = good.filter(|good| good.host == hash && good.content == content) {
            return Ok(good.item.clone());
        }
        let item = match &content {
            Some(content) => contract.merge(host, content)?,
            None => {
                RuleSet::compile(host).map_err(MergeError::Host)?;
                contract.host_alone(host)
            }
        };
        let merge = Merge {
            host: hash,
            content,
            item: item.clone(),
        };
        self.good.insert(name, merge);
        Ok(item)
    }
}

/// Returns the name of an endpoint's file. The `HostGAPlugin` has none: its rules are the host's.
const fn file_name(kind: EndpointKind) -> Option<&'static str> {
    match kind {
        EndpointKind::Imds => Some("IMDS_Rules.json"),
        EndpointKind::WireServer => Some("WireServer_Rules.json"),
        EndpointKind::HostGa => None,
    }
}

#[cfg(test)]
mod tests;
