//! What changes between two profiles: entry by entry, and in words who may ask for what then.
//!
//! Compares meanings, not texts: order, spelling, names alone, comments and the id make no effect.
//! Effects come from the grants. Where a verdict would differ there is an effect that says so in
//! that direction; one effect may say a little more than what changes, never less.

use latchkey_protocol::EndpointKind;
use latchkey_protocol::authorization::AuthorizationItem;
use serde::Serialize;

use crate::document::InvalidProfile;
use crate::meaning::Meaning;

mod access;
mod change;
mod refusal;

pub use change::{Change, Entry, EntryChange, Setting, SettingChange};

/// Whether more or less gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// Somebody is refused something no longer.
    Widens,
    /// Somebody is refused something from now on.
    Narrows,
}

/// What a change means for those who ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// Whether more or less gets through.
    pub direction: Direction,
    /// The names of the identities that it is about; none if it is about anybody.
    pub identities: Vec<String>,
    /// The effect in words.
    pub text: String,
}

/// Everything that differs between two profiles of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The endpoint that both are for.
    pub endpoint: EndpointKind,
    /// What differs beside the rules.
    pub settings: Vec<SettingChange>,
    /// Entries of the four lists that differ.
    pub changes: Vec<EntryChange>,
    /// What that means.
    pub effects: Vec<Effect>,
}

impl Difference {
    /// Returns whether the two profiles mean the same and call it the same.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.changes.is_empty() && self.effects.is_empty()
    }
}

/// Compares two profiles of one endpoint.
///
/// # Errors
/// [`InvalidProfile`] for the first of them that is invalid.
pub fn diff(
    before: &AuthorizationItem,
    after: &AuthorizationItem,
    endpoint: EndpointKind,
) -> Result<Difference, InvalidProfile> {
    let (before, after) = (Meaning::read(before)?, Meaning::read(after)?);
    let mut effects = refusal::effects(&before, &after);
    effects.extend(access::effects(&before, &after));
    Ok(Difference {
        endpoint,
        settings: change::settings(&before, &after),
        changes: change::entries(&before, &after),
        effects,
    })
}

#[cfg(test)]
mod tests;
