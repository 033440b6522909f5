//! Why the coverage could not be measured at all; what fails for one way alone is an outcome.

use std::io;
use std::path::PathBuf;

use crate::error::InterceptError;
use crate::mount::MountError;

/// The coverage could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum CoverageError {
    /// Only root can read the pins and take other users' places.
    #[error("measuring the coverage needs root")]
    NotRoot,
    /// There are no pins of an agent.
    #[error("{path} holds no pins of an agent, so nothing is protected here")]
    NotProtected {
        /// Where they were looked for.
        path: PathBuf,
    },
    /// No link says which cgroup the programs are attached to.
    #[error("no program pinned at {path} is attached to a cgroup that exists")]
    NotAttached {
        /// The directory of pins.
        path: PathBuf,
    },
    /// The agent listens in a network namespace that cannot be found.
    #[error(
        "the agent's network namespace cannot be found: it is not this one, and no agent runs \
         (its process was {pid})"
    )]
    NamespaceGone {
        /// The process that was the agent.
        pid: u32,
    },
    /// Pins or maps cannot be read.
    #[error(transparent)]
    Intercept(#[from] InterceptError),
    /// A file system is missing.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// A file or cgroup could not be used.
    #[error("{operation} {path}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// What with.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Endpoints or their modes did not stay what they were.
    #[error("endpoints or their modes changed during each measurement: try again")]
    Unsettled,
    /// The observer ended the measurement.
    #[error("the measurement was stopped")]
    Stopped,
}
