//! What a target does not take over from a profile, and what that means.

use std::fmt;

use serde::Serialize;

/// What becomes of the protection without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// It is left out and changes no verdict.
    Dropped,
    /// The target's agent reads it otherwise, or is stricter; nothing can be done about it here.
    Differs,
    /// More would be let through than the profile lets through.
    Widens,
    /// It cannot be exported at all.
    Impossible,
}

/// Something that a target does not take over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Loss {
    /// A JSON pointer (RFC 6901) from the item to what is lost.
    pub pointer: String,
    /// What becomes of the protection.
    pub severity: Severity,
    /// What is lost, and what to do about it.
    pub text: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.pointer, self.text)
    }
}
