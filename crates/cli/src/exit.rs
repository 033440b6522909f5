//! The exit codes, which are part of the interface.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked, and nothing is wrong.
    Success,
    /// It could not do what was asked.
    Failure,
    /// It did what was asked and found something that should not be so.
    Finding,
    /// The command line is wrong.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Finding => 2,
            Exit::Usage => 64,
        })
    }
}
