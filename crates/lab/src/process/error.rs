//! Why a program in a node did not do what was asked; each error shows what the program wrote.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use crate::account::AccountError;
use crate::binaries::BinaryError;
use crate::files::FileError;

/// Why a program could not be started or did not do what was awaited.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The node has no such user.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The lab's own program is missing.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// A file for input, output or log could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The kernel refused to start, watch or signal a process.
    #[error("{operation} `{name}`")]
    Kernel {
        /// What was tried.
        operation: &'static str,
        /// The program.
        name: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The program did not end in time and was killed.
    #[error("`{name}` did not end within {limit:?} and was killed; it wrote: {said}")]
    TimedOut {
        /// The program.
        name: String,
        /// The time it had.
        limit: Duration,
        /// What it had written until then.
        said: String,
    },
    /// The program was killed and is still there.
    #[error("`{name}` was killed and has not ended within {limit:?}")]
    Survives {
        /// The program.
        name: String,
        /// The time it had.
        limit: Duration,
    },
    /// The program was stopped and still runs.
    #[error("`{name}` was stopped and has not stood still within {limit:?}")]
    Runs {
        /// The program.
        name: String,
        /// The time it had.
        limit: Duration,
    },
    /// The program ended before it wrote the awaited line.
    #[error("`{name}` ended with {status} before it wrote `{awaited}`; it wrote: {said}")]
    Ended {
        /// The program.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// The text that was awaited.
        awaited: String,
        /// What it wrote instead.
        said: String,
    },
    /// The program still runs and has not written the awaited line.
    #[error("`{name}` did not write `{awaited}` within {limit:?}; it wrote: {said}")]
    Silent {
        /// The program.
        name: String,
        /// The time it had.
        limit: Duration,
        /// The text that was awaited.
        awaited: String,
        /// What it wrote instead.
        said: String,
    },
}
