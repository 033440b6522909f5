//! Why a system does not run as it should; each error says what was awaited and what was seen.

use std::path::PathBuf;
use std::time::Duration;

use crate::binaries::BinaryError;
use crate::files::FileError;
use crate::lab::LabError;
use crate::process::ProcessError;

/// Why a system does not run as it should.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// The lab does not stand.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A program of the workspace is missing.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// A program could not be started or did not do what was awaited.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The guest has no agent.
    #[error("guest `{0}` has no agent")]
    NoAgent(String),
    /// The program does not run.
    #[error("`{0}` does not run")]
    NotRunning(String),
    /// A configuration could not be written as text.
    #[error("write `{}`", path.display())]
    Unwritable {
        /// The file that it was for.
        path: PathBuf,
        /// Why it has no form as text.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What a program wrote or answered is not of its form.
    #[error("`{origin}` holds something else than expected: {text}")]
    Malformed {
        /// The file or URL.
        origin: String,
        /// The text, or its first line.
        text: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The program ended.
    #[error("`{name}` ended while this was awaited: {awaited}; it wrote: {said}")]
    Ended {
        /// The program.
        name: String,
        /// What was awaited of it.
        awaited: String,
        /// What it wrote.
        said: String,
    },
    /// Something did not happen in time.
    #[error("this did not happen within {limit:?}: {awaited}; seen last: {seen}")]
    NotInTime {
        /// What was awaited.
        awaited: String,
        /// The time it had.
        limit: Duration,
        /// What was seen instead.
        seen: String,
    },
}
