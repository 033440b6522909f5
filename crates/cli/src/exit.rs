//! The exit codes, which are part of the interface.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// It did what was asked, and nothing is wrong.
    Success,
    /// It could not do what was asked.
    Failure,
    /// It did what was asked, and the answer is no: something is or would be refused or open that
    /// should not be.
    Refused,
    /// A document is invalid.
    Invalid,
    /// The command line is wrong.
    Usage,
}

impl Exit {
    /// Returns how to end after two things were done.
    pub(crate) fn worse(self, other: Self) -> Self {
        match (self, other) {
            // What could not be done at all says more than what it found.
            (Self::Failure, _) | (_, Self::Failure) => Self::Failure,
            _ => self.max(other),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Refused => 2,
            Exit::Invalid => 3,
            Exit::Usage => 64,
        })
    }
}
