//! The rule files of this machine's administrator, read anew in each round and joined with the host's rules.
//!
//! A file counts only if root alone can have written it, and changes by content. A bad one
//! never replaces the last good content; where there is none, nothing is allowed. A file is gone
//! when two rounds in succession have missed it.

use std::collections::BTreeMap;
use std::mem;
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
    /// It was there a round ago.
    #[error(
        "the local rule file {path} is missing: the host's rules hold alone if it stays away for another round"
    )]
    Vanished {
        /// Which file.
        path: PathBuf,
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

/// The folder of local rule files, and what was seen of it.
#[derive(Debug)]
pub struct LocalRuleFiles {
    folder: PathBuf,
    seen: BTreeMap<&'static str, Seen>,
}

/// What was seen of a file.
#[derive(Debug, Default)]
struct Seen {
    /// Whether there was one in the last round, good or bad.
    was_there: bool,
    /// The last merge that was valid.
    good: Option<Merge>,
}

/// A merge that was valid.
#[derive(Debug)]
struct Merge {
    /// The hash of the host's item.
    host: String,
    /// The content of the file.
    content: Vec<u8>,
    item: AuthorizationItem,
}

impl LocalRuleFiles {
    /// Reads files of this folder from now on; it need not be there.
    #[must_use]
    pub const fn of(folder: PathBuf) -> Self {
        Self {
            folder,
            seen: BTreeMap::new(),
        }
    }

    /// Joins a host's item with the local file, if the host asks for it. Called once a round.
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
            return Ok(Joined::good(contract.host_alone(host)));
        };
        if !contract.uses_local_rules() {
            self.seen.remove(name);
            return Ok(Joined::good(contract.host_alone(host)));
        }
        let read = file::read_trusted(&self.folder, name, MAX_BYTES as u64);
        let path = self.folder.join(name);
        let seen = self.seen.entry(name).or_default();
        let was_there = mem::replace(&mut seen.was_there, !matches!(read, Ok(None)));
        let problem = match read {
            Ok(Some(content)) => match seen.merge(&contract, host, content) {
                Ok(item) => return Ok(Joined::good(item)),
                Err(MergeError::Host(invalid)) => return Err(invalid),
                Err(source) => LocalRulesError::Content { path, source },
            },
            // SECURITY: programs that write a file anew take it away first; what it closes must not
            // be open until the next round because this one came in between.
            Ok(None) if was_there => LocalRulesError::Vanished { path },
            Ok(None) => {
                seen.good = None;
                return Ok(Joined::good(contract.host_alone(host)));
            }
            Err(error) => LocalRulesError::File(error),
        };
        Ok(Joined {
            item: seen.fallback(&contract, host)?,
            problem: Some(problem),
        })
    }
}

impl Joined {
    const fn good(item: AuthorizationItem) -> Self {
        Self {
            item,
            problem: None,
        }
    }
}

impl Seen {
    /// Merges, or returns what the same merge gave the last time.
    fn merge(
        &mut self,
        contract: &Contract,
        host: &AuthorizationItem,
        content: Vec<u8>,
    ) -> Result<AuthorizationItem, MergeError> {
        let hash = content_hash(host);
        let good = self.good.as_ref();
        if let Some(good) = good.filter(|good| good.host == hash && good.content == content) {
            return Ok(good.item.clone());
        }
        let item = contract.merge(host, &content)?;
        self.good = Some(Merge {
            host: hash,
            content,
            item: item.clone(),
        });
        Ok(item)
    }

    /// Returns what holds beside a file that cannot be used.
    ///
    /// SECURITY: the last good content goes on with the host's rules of today, so that a bad file
    /// holds up nothing that the host withdraws.
    fn fallback(
        &mut self,
        contract: &Contract,
        host: &AuthorizationItem,
    ) -> Result<AuthorizationItem, InvalidProfile> {
        let last = self.good.as_ref().map(|good| good.content.clone());
        match last.map(|content| self.merge(contract, host, content)) {
            Some(Ok(item)) => Ok(item),
            Some(Err(MergeError::Host(invalid))) => Err(invalid),
            Some(Err(_)) | None => {
                RuleSet::compile(host)?;
                Ok(contract.closed(host))
            }
        }
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
