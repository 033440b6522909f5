//! Turns the calling process into a program inside a node, as a user of that node.
//!
//! Refuses to run anything unless namespaces, control group, groups and user have all been taken
//! on; it needs a process with a single thread.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::sched::setns;
use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

use crate::account::Credentials;
use crate::cgroup;
use crate::files::{FileError, Named as _};
use crate::namespace::KINDS;

/// The search path of programs in a node.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Environment variables, by name.
pub type Environment = Vec<(OsString, OsString)>;

/// Returns what every program finds in its environment.
#[must_use]
pub fn environment(user: &str, home: &str) -> Environment {
    let pairs = [
        ("PATH", PATH),
        ("HOME", home),
        ("USER", user),
        ("LANG", "C.UTF-8"),
    ];
    pairs
        .map(|(name, value)| (name.into(), value.into()))
        .to_vec()
}

/// Which program to become, where and as whom.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The process that holds the node's namespaces.
    pub holder: u32,
    /// The node's control group.
    pub cgroup: PathBuf,
    /// The user's ids.
    pub credentials: Credentials,
    /// Working directory inside.
    pub directory: PathBuf,
    /// The whole environment, or nothing to keep the caller's.
    pub environment: Option<Environment>,
    /// The program, by path or by name.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// Why the program could not be started.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// A file could not be used; the node may be gone.
    #[error(transparent)]
    File(#[from] FileError),
    /// A namespace could not be entered.
    #[error("enter the {kind} namespace of process {holder}")]
    Enter {
        /// The kind, as in `/proc/<pid>/ns`.
        kind: &'static str,
        /// The holder's process id.
        holder: u32,
        /// Why it failed.
        #[source]
        source: Errno,
    },
    /// The user could not be taken on.
    #[error("become user {uid} with group {gid}")]
    Become {
        /// The user id.
        uid: u32,
        /// The primary group id.
        gid: u32,
        /// Why it failed.
        #[source]
        source: Errno,
    },
    /// The program is missing or not executable for this user.
    #[error("run `{}`", program.display())]
    Run {
        /// The program.
        program: OsString,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl Entry {
    /// Becomes the program; returns only if that failed.
    #[must_use]
    pub fn run(&self) -> EntryError {
        if let Err(error) = self.prepare() {
            return error;
        }
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.directory);
        if let Some(environment) = &self.environment {
            command
                .env_clear()
                .envs(environment.iter().map(|(name, value)| (name, value)));
        }
        let source = command.exec();
        EntryError::Run {
            program: self.program.clone(),
            source,
        }
    }

    fn prepare(&self) -> Result<(), EntryError> {
        // First, so that the program's very first packet is already that of the group.
        cgroup::join(&self.cgroup)?;
        self.enter_namespaces()?;
        self.become_user()?;
        umask(Mode::S_IWGRP | Mode::S_IWOTH);
        // A signal mask survives exec, and a lab may have blocked signals to wait for them.
        SigSet::all()
            .thread_unblock()
            .map_err(|source| self.not_become(source))
    }

    fn enter_namespaces(&self) -> Result<(), EntryError> {
        let holder = self.holder;
        // All are opened before the first is entered: one entered may hide `/proc`.
        let mut open = Vec::new();
        for (kind, flag) in KINDS {
            let path = Path::new("/proc")
                .join(holder.to_string())
                .join("ns")
                .join(kind);
            open.push((kind, flag, File::open(&path).named("open", &path)?));
        }
        for (kind, flag, file) in open {
            setns(file, flag).map_err(|source| EntryError::Enter {
                kind,
                holder,
                source,
            })?;
        }
        Ok(())
    }

    fn become_user(&self) -> Result<(), EntryError> {
        let Credentials {
            uid, gid, groups, ..
        } = &self.credentials;
        let groups: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
        // SECURITY: groups first and user last; a process that is no longer root could not give up
        // root's groups.
        setgroups(&groups)
            .and_then(|()| setgid(Gid::from_raw(*gid)))
            .and_then(|()| setuid(Uid::from_raw(*uid)))
            .map_err(|source| self.not_become(source))
    }

    fn not_become(&self, source: Errno) -> EntryError {
        let Credentials { uid, gid, .. } = self.credentials;
        EntryError::Become { uid, gid, source }
    }
}
