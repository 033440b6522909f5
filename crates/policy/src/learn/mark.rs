//! What makes a rule doubtful, as words of the report.

use std::fmt;

use latchkey_protocol::Flag;
use serde::Serialize;

/// Something that a person should know before a rule is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Mark {
    /// The caller is an interpreter, and what it runs is not known.
    BareInterpreter,
    /// It was seen less often than was asked for.
    BelowMinCount,
    /// Its executable has no name any more.
    DeletedExecutable,
    /// The rule would also hold for a caller who needs a decision.
    CoversUndecided,
    /// The path is one that another endpoint serves.
    ForeignPath,
    /// The script is guessed from a command line, which the caller can write as it likes.
    GuessedScript,
    /// The executable or script lies in a home folder, where its owner can change it.
    HomeFolder,
    /// The path begins with what looks like an id, so that the rule would hold once.
    IdInPath,
    /// Its executable lies in memory alone.
    MemoryExecutable,
    /// The executable is not known, so that only the user could be named.
    NoExecutable,
    /// Neither user nor unit is known: the rule would be for everybody who can start the program.
    NoUser,
    /// The program fetches for whoever starts it, or passes on what reaches it.
    PassesOn,
    /// It was made to load other code than its own.
    Preloaded,
    /// The path that covers what was seen also covers tokens or certificates that were not.
    ReachesFurther,
    /// The program of a unit passes on what reaches it over the network.
    Relay,
    /// It was seen once.
    SeenOnce,
    /// It yields tokens or certificates.
    Sensitive,
    /// A parameter that decides what is asked for had too many values to list.
    TooManyValues,
    /// Another process traced it.
    Traced,
    /// Its credentials are of another user namespace.
    UserNamespace,
    /// The rules in force give this to others.
    Withheld,
    /// The executable or script lies where others than root can write, or is reached through a process.
    WorldWritable,
}

impl Mark {
    /// Returns whether nobody but a person may decide, whatever is asked for.
    pub(super) const fn always_asks(self) -> bool {
        matches!(
            self,
            Self::BareInterpreter
                | Self::BelowMinCount
                | Self::CoversUndecided
                | Self::ForeignPath
                | Self::GuessedScript
                | Self::IdInPath
                | Self::NoExecutable
                | Self::NoUser
                | Self::PassesOn
                | Self::ReachesFurther
                | Self::TooManyValues
                | Self::Withheld
        )
    }

    /// Returns whether what is sensitive needs a decision because of it.
    pub(super) const fn is_risk(self) -> bool {
        !matches!(self, Self::Sensitive)
    }

    /// Returns what it says in a few words.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::BareInterpreter => "an interpreter, and its script is not known",
            Self::BelowMinCount => "seen less often than --min-count",
            Self::DeletedExecutable => "its executable was deleted",
            Self::CoversUndecided => "the rule would also hold for a caller who needs a decision",
            Self::ForeignPath => "another endpoint serves its path",
            Self::GuessedScript => "the script is guessed from the command line",
            Self::HomeFolder => "runs from a home folder",
            Self::IdInPath => "its path begins with what looks like an id",
            Self::MemoryExecutable => "its executable lies in memory",
            Self::NoExecutable => "its executable is not known",
            Self::NoUser => "neither its user nor its unit is known",
            Self::PassesOn => "a program that fetches or passes on for others",
            Self::Preloaded => "was made to load other code",
            Self::ReachesFurther => {
                "its path also covers tokens or certificates that were not seen"
            }
            Self::Relay => "passes on what reaches it over the network",
            Self::SeenOnce => "seen once",
            Self::Sensitive => "yields tokens or certificates",
            Self::TooManyValues => "a parameter that decides had too many values",
            Self::Traced => "was traced by another process",
            Self::UserNamespace => "is of another user namespace",
            Self::Withheld => "the rules in force give this to others",
            Self::WorldWritable => "runs from a place where others can write",
        }
    }
}

impl From<Flag> for Mark {
    fn from(flag: Flag) -> Self {
        match flag {
            Flag::DeletedExecutable => Self::DeletedExecutable,
            Flag::MemoryExecutable => Self::MemoryExecutable,
            Flag::Preloaded => Self::Preloaded,
            Flag::Traced => Self::Traced,
            Flag::UserNamespace => Self::UserNamespace,
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.says())
    }
}
