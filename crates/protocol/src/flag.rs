//! What a caller may be forbidden to be: traced, preloaded, of another user namespace, without a file of its own.
//!
//! A flag that was not determined is neither set nor clear, so that nobody passes for clean
//! by keeping the agent from looking.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Something about a process that a rule may forbid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Flag {
    /// Its executable has no name any more, or never had one.
    DeletedExecutable,
    /// Its executable lies in memory alone (memfd).
    MemoryExecutable,
    /// Its environment, or its system's `ld.so.preload`, has it load other code than its own.
    Preloaded,
    /// Another process traces it.
    Traced,
    /// Its credentials are of another user namespace than the initial one.
    UserNamespace,
}

impl Flag {
    /// All flags.
    pub const ALL: [Self; 5] = [
        Self::DeletedExecutable,
        Self::MemoryExecutable,
        Self::Preloaded,
        Self::Traced,
        Self::UserNamespace,
    ];

    /// Returns the word for it in rules and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeletedExecutable => "deletedExecutable",
            Self::MemoryExecutable => "memoryExecutable",
            Self::Preloaded => "preloaded",
            Self::Traced => "traced",
            Self::UserNamespace => "userNamespace",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The word names no flag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no flag: use deletedExecutable, memoryExecutable, preloaded, traced or userNamespace"
)]
pub struct FlagError(String);

impl FromStr for Flag {
    type Err = FlagError;

    /// Reads the exact word.
    fn from_str(text: &str) -> Result<Self, FlagError> {
        Self::ALL
            .into_iter()
            .find(|flag| flag.as_str() == text)
            .ok_or_else(|| FlagError(text.to_owned()))
    }
}

/// What is known of a caller's flags; at first nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags {
    known: u8,
    set: u8,
}

impl Flags {
    /// Returns these flags with one more determined; nothing leaves it as it was.
    #[must_use]
    pub const fn with(self, flag: Flag, is_set: Option<bool>) -> Self {
        let Self { known, set } = self;
        match is_set {
            None => self,
            Some(true) => Self {
                known: known | flag.bit(),
                set: set | flag.bit(),
            },
            Some(false) => Self {
                known: known | flag.bit(),
                set: set & !flag.bit(),
            },
        }
    }

    /// Returns whether a flag was determined, and is not set.
    #[must_use]
    pub const fn is_clear(self, flag: Flag) -> bool {
        self.known & flag.bit() != 0 && self.set & flag.bit() == 0
    }

    /// Returns the flags that are set.
    pub fn set(self) -> impl Iterator<Item = Flag> {
        let is_set = move |flag: &Flag| self.set & flag.bit() != 0;
        Flag::ALL.into_iter().filter(is_set)
    }

    /// Returns the flags that were not determined.
    pub fn unknown(self) -> impl Iterator<Item = Flag> {
        let is_unknown = move |flag: &Flag| self.known & flag.bit() == 0;
        Flag::ALL.into_iter().filter(is_unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flag_that_was_not_determined_is_not_clear() {
        let flags = Flags::default();
        assert!(Flag::ALL.iter().all(|flag| !flags.is_clear(*flag)));
        assert_eq!(flags.set().count(), 0);
        let flags = flags.with(Flag::Traced, Some(false));
        assert!(flags.is_clear(Flag::Traced));
        assert_eq!(flags.unknown().count(), 4);
        let flags = flags
            .with(Flag::Traced, Some(true))
            .with(Flag::Traced, None);
        assert!(!flags.is_clear(Flag::Traced));
        assert_eq!(flags.set().collect::<Vec<_>>(), [Flag::Traced]);
    }

    #[test]
    fn word_of_a_flag_is_the_same_in_rules_and_in_json() {
        for flag in Flag::ALL {
            assert_eq!(flag.as_str().parse(), Ok(flag));
            assert_eq!(
                serde_json::to_string(&flag).unwrap(),
                format!("\"{}\"", flag.as_str())
            );
        }
        for unknown in ["", "Traced", "traced ", "ptraced"] {
            assert!(unknown.parse::<Flag>().is_err(), "{unknown}");
        }
    }
}
