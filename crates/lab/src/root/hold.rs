//! The first process of a root: builds it, then reaps what nobody else waits for, until it is killed.
//!
//! It starts as process 1 of a new pid namespace, in the guest's other namespaces and control
//! group. When it ends, by whatever, the kernel kills all that runs in the root and drops the
//! mounts.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::sethostname;

use super::filesystem::{self, FilesystemError};
use crate::files::{FileError, Named as _};
use crate::network::{self, NetworkError};

/// What the process says when the root stands.
pub(super) const READY: &str = "root stands";

/// What is to be built.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The Debian tree.
    pub tree: PathBuf,
    /// An empty directory of the guest, on which everything is mounted.
    pub mount_point: PathBuf,
    /// Host name inside.
    pub hostname: String,
}

/// Why a root is not built or held.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// The program was started by hand.
    #[error("not process 1 of a pid namespace: only the lab starts this")]
    NotFirst,
    /// The routes could not be listed.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Programs in the root could reach more than the lab.
    #[error("the guest has a default route, so programs of a root could get out: {routes}")]
    DefaultRoute {
        /// The routes.
        routes: String,
    },
    /// The kernel refused to make the namespaces.
    #[error("make the namespaces of a root")]
    Unshare(#[source] Errno),
    /// The file system could not be built.
    #[error(transparent)]
    Filesystem(#[from] FilesystemError),
    /// The host name was refused.
    #[error("set host name `{hostname}`")]
    Hostname {
        /// The name.
        hostname: String,
        /// Why it failed.
        #[source]
        source: Errno,
    },
    /// Nobody listens.
    #[error(transparent)]
    File(#[from] FileError),
    /// Children could not be waited for.
    #[error("wait for children")]
    Wait(#[source] Errno),
}

/// Builds a root, says so, and holds it until the process is killed.
///
/// # Errors
/// It could not be built or held; it never returns otherwise.
pub fn hold(plan: &Plan) -> Result<(), HoldError> {
    if std::process::id() != 1 {
        return Err(HoldError::NotFirst);
    }
    // SECURITY: these programs act as soon as they start, as root and unasked. Where the guest
    // could reach more than its host, none is started.
    let routes = network::default_routes()?;
    if !routes.is_empty() {
        return Err(HoldError::DefaultRoute { routes });
    }
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC)
        .map_err(HoldError::Unshare)?;
    filesystem::enter(&plan.tree, &plan.mount_point, &plan.hostname)?;
    sethostname(&plan.hostname).map_err(|source| HoldError::Hostname {
        hostname: plan.hostname.clone(),
        source,
    })?;
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    // Blocked before the first child can come: else its end would go unnoticed.
    children.thread_block().map_err(HoldError::Wait)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{READY}")
        .and_then(|()| stdout.flush())
        .named("write", Path::new("/dev/stdout"))?;
    loop {
        children.wait().map_err(HoldError::Wait)?;
        reap()?;
    }
}

/// Reaps all children that have ended: what daemons leave behind comes to process 1.
fn reap() -> Result<(), HoldError> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(HoldError::Wait(error)),
        }
    }
}
