//! What a standing lab tells other processes about itself, in a file of its directory.
//!
//! It serves people who look into a lab by hand. Whether a lab still stands is decided by its
//! process, never by this file.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::account::AccountFiles;
use crate::files::{self, FileError, Named as _};
use crate::id::{LabId, ProcessId};

/// Where every lab has its directory.
pub const RUN_DIRECTORY: &str = "/run/latchkey-lab";

/// The name of the directory of a node with the files that it sees in `/etc`.
pub(crate) const ETC_DIRECTORY: &str = "etc";

/// The name of the file in the lab's directory.
const FILE_NAME: &str = "state.json";

/// Why the state of a lab is not known.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file holds something else.
    #[error("`{}` was written by another version of latchkey-lab", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// The nodes of a lab, its host first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LabState {
    /// The nodes, the host first.
    pub nodes: Vec<NodeState>,
}

/// One node of a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NodeState {
    /// The node's name.
    pub name: String,
    /// The process that holds its namespaces.
    pub holder: ProcessId,
    /// Its control group.
    pub cgroup: PathBuf,
    /// Its directory in the bpf file system.
    pub pin_dir: PathBuf,
    /// Its directory, with users, homes and logs.
    pub directory: PathBuf,
    /// How it is connected; the host is not.
    pub link: Option<LinkState>,
}

/// The connection of a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LinkState {
    /// The guest's address.
    pub address: Ipv4Addr,
    /// The interface on the host's side.
    pub interface: String,
}

impl NodeState {
    /// Returns the files with the users of the node.
    #[must_use]
    pub fn accounts(&self) -> AccountFiles {
        AccountFiles::in_directory(&self.directory.join(ETC_DIRECTORY))
    }
}

/// Returns the directory of a lab.
#[must_use]
pub fn directory(id: LabId) -> PathBuf {
    Path::new(RUN_DIRECTORY).join(id.to_string())
}

impl LabState {
    /// Writes the state of a lab; readers see all of it or nothing.
    ///
    /// # Errors
    /// The lab's directory is not writable.
    pub fn write(&self, id: LabId) -> Result<(), StateError> {
        let path = directory(id).join(FILE_NAME);
        let text = serde_json::to_string_pretty(self).map_err(|source| StateError::Malformed {
            path: path.clone(),
            source,
        })?;
        let draft = path.with_extension("draft");
        files::write(&draft, &text)?;
        fs::rename(&draft, &path).named("rename to", &path)?;
        Ok(())
    }

    /// Reads the state of a lab.
    ///
    /// # Errors
    /// The lab has not come that far, or is gone.
    pub fn read(id: LabId) -> Result<Self, StateError> {
        let path = directory(id).join(FILE_NAME);
        let text = files::read(&path)?;
        serde_json::from_str(&text).map_err(|source| StateError::Malformed { path, source })
    }

    /// Returns the node of this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&NodeState> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

/// Returns the labs whose process lives, in the order of their names.
///
/// # Errors
/// The directory of all labs is not readable.
pub fn standing() -> Result<Vec<LabId>, FileError> {
    let names = files::names_in(Path::new(RUN_DIRECTORY))?;
    let ids = names.iter().filter_map(|name| name.parse::<LabId>().ok());
    Ok(ids.filter(|id| id.owner().is_alive()).collect())
}
