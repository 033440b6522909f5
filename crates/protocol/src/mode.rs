//! How strictly an endpoint is protected. Unknown text is an error, never "disabled".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The protection mode of one endpoint, as operators set it; a stricter mode is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Mode {
    /// Traffic flows as if no agent were there.
    Disabled,
    /// Everything is intercepted, judged and recorded; what the rules refuse is forwarded.
    Audit,
    /// What the rules refuse is refused.
    Enforce,
}

/// The text is none of `Disabled`, `Audit` and `Enforce`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a mode: use Disabled, Audit or Enforce")]
pub struct ModeError(String);

impl Mode {
    /// Returns the mode's name as the deployed resource model writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "Disabled",
            Self::Audit => "Audit",
            Self::Enforce => "Enforce",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Disabled, Self::Audit, Self::Enforce]
            .into_iter()
            .find(|mode| mode.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| ModeError(text.to_owned()))
    }
}

impl TryFrom<String> for Mode {
    type Error = ModeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Mode> for &'static str {
    fn from(mode: Mode) -> Self {
        mode.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_in_any_letter_case() {
        assert_eq!("eNFORCE".parse(), Ok(Mode::Enforce));
        assert_eq!("audit".parse(), Ok(Mode::Audit));
        assert_eq!("DISABLED".parse(), Ok(Mode::Disabled));
    }

    #[test]
    fn stricter_mode_is_greater() {
        assert!(Mode::Disabled < Mode::Audit && Mode::Audit < Mode::Enforce);
    }

    #[test]
    fn unknown_mode_text_is_an_error() {
        for text in ["", "enable", " enforce", "off", "enforce "] {
            assert!(text.parse::<Mode>().is_err(), "{text:?}");
        }
    }
}
