//! Builds a lab, and takes it down when its value is dropped.
//!
//! A lab starts by removing what dead labs have left, so that a crash never spoils the next run.

use std::path::Path;

use crate::account::{self, Account};
use crate::binaries::{self, Binary, BinaryError};
use crate::cgroup::CgroupError;
use crate::files::FileError;
use crate::guest::Guest;
use crate::id::{LabId, ProcessIdError};
use crate::logs;
use crate::network::{self, Link, NetworkError};
use crate::node::{Node, NodeError, Site};
use crate::pins::PinError;
use crate::remains::Remains;
use crate::state::{LabState, StateError};
use crate::sweep::{SweepError, Traces};

/// The name of the host among the nodes of a lab.
pub const HOST_NAME: &str = "host";

/// Why a lab does not stand.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Namespaces need root.
    #[error("a lab needs root, for namespaces and control groups; run it with sudo")]
    NotRoot,
    /// A guest's name is not usable.
    #[error(
        "`{0}` is no name for a guest; use up to 32 of a-z, 0-9 and `-`, a letter first, \
         each name once, and not `{HOST_NAME}`"
    )]
    Name(String),
    /// The addresses of the links are used up.
    #[error("{0} guests are too many; a lab has room for 254")]
    TooMany(usize),
    /// The lab has no guest of this name.
    #[error("the lab has no guest `{0}`")]
    NoSuchGuest(String),
    /// The lab's program is missing.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// The lab's name could not be made.
    #[error(transparent)]
    Id(#[from] ProcessIdError),
    /// A directory could not be made.
    #[error(transparent)]
    File(#[from] FileError),
    /// The lab's control group could not be made.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The pin directory could not be made.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// A host or guest could not be made.
    #[error("set up `{name}`")]
    Node {
        /// The node's name.
        name: String,
        /// Why it failed.
        #[source]
        source: NodeError,
    },
    /// The network could not be set up.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The state file could not be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// Something of this lab, or of a dead one, could not be removed.
    #[error(transparent)]
    Sweep(#[from] SweepError),
}

/// What a lab will have in it.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `start`"]
pub struct LabBuilder {
    guests: Vec<String>,
    accounts: Vec<Account>,
}

impl LabBuilder {
    /// Adds a guest; its name is its host name too.
    pub fn guest(mut self, name: &str) -> Self {
        self.guests.push(name.to_owned());
        self
    }

    /// Adds a user to every guest, beside those of [`account::standard`].
    pub fn account(mut self, account: Account) -> Self {
        self.accounts.push(account);
        self
    }

    /// Builds the lab.
    ///
    /// # Errors
    /// Something is missing on this machine, or a step failed. Nothing is left behind then.
    pub fn start(self) -> Result<Lab, LabError> {
        check_names(&self.guests)?;
        if !rustix::process::geteuid().is_root() {
            return Err(LabError::NotRoot);
        }
        let program = binaries::find(Binary::Lab)?;
        let remains = Remains::create()?;
        let lab = self.start_nodes(&program, remains)?;
        lab.state().write(lab.id())?;
        Ok(lab)
    }

    fn start_nodes(self, program: &Path, remains: Remains) -> Result<Lab, LabError> {
        let Traces {
            cgroup,
            pins,
            directory,
        } = remains.traces();
        let site = Site {
            program,
            cgroup: cgroup.path(),
            pins,
            directory,
        };
        let create = |part: &str, name: &str, accounts: &[Account]| {
            Node::create(&site, part, name, accounts).map_err(|source| LabError::Node {
                name: name.to_owned(),
                source,
            })
        };
        let host = create("host", HOST_NAME, &[])?;
        network::set_up_host(host.namespace())?;
        let mut guests = Vec::new();
        for (name, number) in self.guests.iter().zip(1..=u8::MAX) {
            let node = create(&format!("g{number}"), name, &self.accounts)?;
            let link = Link::of_guest(number);
            network::connect(host.namespace(), node.namespace(), &link)?;
            guests.push(Guest::new(node, link));
        }
        Ok(Lab {
            guests,
            host,
            remains,
        })
    }
}

fn check_names(names: &[String]) -> Result<(), LabError> {
    if names.len() > 254 {
        return Err(LabError::TooMany(names.len()));
    }
    for (index, name) in names.iter().enumerate() {
        let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        let is_taken = name == HOST_NAME || names.iter().take(index).any(|other| other == name);
        if !is_plain || is_taken || name.len() > 32 {
            return Err(LabError::Name(name.clone()));
        }
    }
    Ok(())
}

/// A host and its guests. Dropping it ends every process in it and leaves nothing behind.
#[derive(Debug)]
pub struct Lab {
    // Dropped in this order. The group goes first, with every process in it at once: a program must
    // not see its namespaces go.
    remains: Remains,
    guests: Vec<Guest>,
    host: Node,
}

impl Lab {
    /// Begins to describe a lab, with the users of [`account::standard`] in every guest.
    pub fn builder() -> LabBuilder {
        LabBuilder {
            guests: Vec::new(),
            accounts: account::standard(),
        }
    }

    /// Returns the lab's name.
    #[must_use]
    pub fn id(&self) -> LabId {
        self.remains.id()
    }

    /// Returns the lab's directory, which is gone when the lab is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.remains.traces().directory
    }

    /// Returns the host.
    #[must_use]
    pub fn host(&self) -> &Node {
        &self.host
    }

    /// Returns the guests in the order in which they were added.
    #[must_use]
    pub fn guests(&self) -> &[Guest] {
        &self.guests
    }

    /// Returns the guest of this name.
    ///
    /// # Errors
    /// The lab has none.
    pub fn guest(&self, name: &str) -> Result<&Guest, LabError> {
        let found = self.guests.iter().find(|guest| guest.name() == name);
        found.ok_or_else(|| LabError::NoSuchGuest(name.to_owned()))
    }

    /// Copies the logs of every node to a directory, which is created if need be.
    ///
    /// # Errors
    /// A log is not readable or the directory not writable.
    pub fn collect_logs(&self, to: &Path) -> Result<(), LabError> {
        Ok(logs::collect(self.dir(), to)?)
    }

    /// Takes the lab down and tells what could not be removed, which a drop only writes to
    /// standard error.
    ///
    /// # Errors
    /// Something is left behind.
    pub fn stop(mut self) -> Result<(), LabError> {
        Ok(self.remains.remove()?)
    }

    fn state(&self) -> LabState {
        let guests = self.guests.iter().map(Guest::state);
        LabState {
            nodes: std::iter::once(self.host.state()).chain(guests).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(names: &[&str]) -> Result<(), LabError> {
        check_names(
            &names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn names_that_are_no_host_names_are_refused() {
        for name in ["", "-a", "A", "a/b", "..", "host", "a b", &"a".repeat(33)] {
            assert!(
                matches!(checked(&[name]), Err(LabError::Name(_))),
                "{name:?}"
            );
        }
        assert!(matches!(checked(&["a", "a"]), Err(LabError::Name(_))));
        assert!(checked(&["audit", "web-1"]).is_ok());
    }

    #[test]
    fn more_guests_than_addresses_are_refused() {
        let names: Vec<String> = (0..255).map(|i| format!("g{i}")).collect();
        assert!(matches!(check_names(&names), Err(LabError::TooMany(255))));
    }
}
