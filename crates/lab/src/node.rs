//! A host or a guest: namespaces, a control group, users, and a directory of its own.
//!
//! A node cleans nothing up but its namespaces; the lab removes the rest.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use crate::account::{Account, AccountError, AccountFiles};
use crate::cgroup::{Cgroup, CgroupError};
use crate::command::{Command, Place};
use crate::files::{self, FileError};
use crate::namespace::{Namespace, NamespaceError, Plan};
use crate::network::WIRESERVER_ADDRESS;
use crate::pid_namespace::PidNamespace;
use crate::pins::{self, PinError};
use crate::state::{ETC_DIRECTORY, NodeState};

/// The name of the directory with the logs of a node.
pub(crate) const LOG_DIRECTORY: &str = "log";

/// Why a node could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A file or directory could not be made.
    #[error(transparent)]
    File(#[from] FileError),
    /// The users are not usable.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The control group could not be made.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The pin directory could not be made.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The namespaces could not be made.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
}

/// The parts of the lab that its nodes are made in.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    /// The lab's program.
    pub(crate) program: &'a Path,
    /// The lab's control group, pin directory and directory.
    pub(crate) cgroup: &'a Path,
    pub(crate) pins: &'a Path,
    pub(crate) directory: &'a Path,
}

/// A host or a guest.
#[derive(Debug)]
pub struct Node {
    name: String,
    namespace: Namespace,
    cgroup: Cgroup,
    pin_dir: PathBuf,
    directory: PathBuf,
    accounts: AccountFiles,
    next_log: Arc<AtomicU32>,
}

impl Node {
    /// Makes a node; `part` names its directories, `name` is what it calls itself.
    pub(crate) fn create(
        site: &Site<'_>,
        part: &str,
        name: &str,
        accounts: &[Account],
    ) -> Result<Self, NodeError> {
        let directory = site.directory.join(part);
        let etc = directory.join(ETC_DIRECTORY);
        for path in [&directory, &etc, &directory.join(LOG_DIRECTORY)] {
            files::create_directory(path, 0o755, (0, 0))?;
        }
        let files = write_accounts(&directory, accounts)?;
        let plan = Plan {
            cgroup: site.cgroup.to_owned(),
            hostname: name.to_owned(),
            binds: write_etc(&etc, name)?,
        };
        let cgroup = Cgroup::create(site.cgroup.join(part))?;
        let pin_dir = site.pins.join(part);
        pins::create(&pin_dir)?;
        let log = directory.join(LOG_DIRECTORY).join("holder.log");
        let namespace = Namespace::start(site.program, &plan, &log)?;
        Ok(Self {
            name: name.to_owned(),
            namespace,
            cgroup,
            pin_dir,
            directory,
            accounts: files,
            next_log: Arc::new(AtomicU32::new(1)),
        })
    }

    /// Returns the name, which is also the host name inside.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the control group that every process of this node is in before it starts.
    #[must_use]
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// Returns the directory in the bpf file system that only this node pins in.
    #[must_use]
    pub fn pin_dir(&self) -> &Path {
        &self.pin_dir
    }

    /// Returns a directory, owned by root, with the same path on the machine and inside.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.directory
    }

    /// Describes a program to run inside as the user `user`.
    pub fn command(&self, user: &str, program: impl AsRef<OsStr>) -> Command {
        Command::new(self.place(), user, program.as_ref())
    }

    /// Returns where the commands of this node run.
    pub(crate) fn place(&self) -> Place {
        Place {
            holder: self.namespace.holder().pid,
            cgroup: self.cgroup.path().to_owned(),
            accounts: self.accounts.clone(),
            logs: self.directory.join(LOG_DIRECTORY),
            next_log: Arc::clone(&self.next_log),
            pids: PidNamespace::OfCaller,
        }
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Returns what another process needs to find this node.
    pub(crate) fn state(&self) -> NodeState {
        NodeState {
            name: self.name.clone(),
            holder: self.namespace.holder(),
            cgroup: self.cgroup.path().to_owned(),
            pin_dir: self.pin_dir.clone(),
            directory: self.directory.clone(),
            link: None,
        }
    }
}

/// Makes the users and a home for each of them.
fn write_accounts(directory: &Path, accounts: &[Account]) -> Result<AccountFiles, NodeError> {
    let homes = directory.join("home");
    let files = AccountFiles::in_directory(&directory.join(ETC_DIRECTORY));
    // Before the homes: it also checks that the names can be used as file names.
    files.write(accounts, &homes)?;
    files::create_directory(&homes, 0o755, (0, 0))?;
    files::create_directory(&homes.join("root"), 0o700, (0, 0))?;
    for account in accounts {
        files::create_directory(&homes.join(account.name()), 0o700, account.ids())?;
    }
    Ok(files)
}

/// Writes the node's own files of `/etc` and returns where each is to be seen.
fn write_etc(etc: &Path, name: &str) -> Result<Vec<(PathBuf, PathBuf)>, FileError> {
    let resolver = format!("nameserver {WIRESERVER_ADDRESS}\noptions timeout:2 attempts:1\n");
    let hosts = format!("127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost\n");
    // The machine may ask services that know nothing of the node's users.
    let services = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n";
    for (file, text) in [
        ("resolv.conf", resolver.as_str()),
        ("hosts", &hosts),
        ("nsswitch.conf", services),
    ] {
        files::write(&etc.join(file), text)?;
    }
    let seen = ["passwd", "group", "resolv.conf", "hosts", "nsswitch.conf"];
    Ok(seen
        .iter()
        .map(|file| (etc.join(file), Path::new("/etc").join(file)))
        .collect())
}
