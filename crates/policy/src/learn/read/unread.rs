//! Why a line is not read, so that it can be counted by kind and shown.

/// Why a line is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unread {
    /// JSON that breaks off or holds another type than expected.
    BrokenJson,
    /// A record lacks the method, target, caller or time.
    Incomplete,
    /// Something follows the record, so that another wrote the line.
    MoreFollows,
    /// There is no record where the agents put one.
    NoRecord,
    /// It is not UTF-8.
    NotUtf8,
    /// It is longer than [`MAX_LINE_BYTES`](super::MAX_LINE_BYTES).
    TooLong,
    /// The request went to no endpoint that is known.
    UnknownEndpoint,
    /// JSON of another kind.
    UnknownForm,
    /// An audit record of another version.
    UnknownVersion,
    /// A message of a log that many write to, and not known to be the agent's.
    UnknownWriter,
}

impl Unread {
    /// Returns what it says in a few words.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::BrokenJson => "JSON that breaks off or has other types",
            Self::Incomplete => "a record without method, target or caller",
            Self::MoreFollows => "a record that something follows in its line",
            Self::NoRecord => "no record in it",
            Self::NotUtf8 => "not UTF-8",
            Self::TooLong => "longer than 1 MiB",
            Self::UnknownEndpoint => "a request to no known endpoint",
            Self::UnknownForm => "JSON of another kind",
            Self::UnknownVersion => "an audit record of another version",
            Self::UnknownWriter => "a message of another program, or of one that is not named",
        }
    }
}
