//! What decides about a request: the default access, or a privilege that the caller has or has not.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// What happens to requests that no privilege covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Access {
    /// They are allowed.
    Allow,
    /// They are refused.
    Deny,
}

impl Access {
    /// Reads `allow` or `deny` in any letter case; blanks around it are not ignored.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [("allow", Self::Allow), ("deny", Self::Deny)]
            .into_iter()
            .find_map(|(word, access)| word.eq_ignore_ascii_case(text).then_some(access))
    }

    /// Returns the word as documents have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        }
    }
}

/// What in a rule set decided about a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// No privilege covers the request: the default access.
    Default,
    /// The privilege is assigned to the identity, and the caller is of this identity.
    Granted {
        /// The privilege's name.
        privilege: Arc<str>,
        /// The identity's name.
        identity: Arc<str>,
    },
    /// The privilege covers the request, and the caller is of no identity that has it.
    Withheld {
        /// The privilege's name.
        privilege: Arc<str>,
    },
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Granted {
                privilege,
                identity,
            } => {
                write!(f, "privilege `{privilege}` for identity `{identity}`")
            }
            Self::Withheld { privilege } => write!(f, "privilege `{privilege}`"),
        }
    }
}
