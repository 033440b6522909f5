//! What an entry means, as far as two entries of one list can be compared and told to people.

use std::collections::BTreeSet;

use latchkey_protocol::Mode;

use super::Holders;
use super::scope::{Scopes, all_covered};
use super::subject::Subject;
use super::words::noun;

/// The meaning of an entry of one of the four lists.
pub(crate) trait Content: PartialEq {
    /// Returns whether the other means all of this.
    fn is_part_of(&self, other: &Self) -> bool;

    /// Says what it means.
    fn words(&self) -> String;
}

impl Content for Scopes {
    fn is_part_of(&self, other: &Self) -> bool {
        all_covered(other, self)
    }

    fn words(&self) -> String {
        noun(self)
    }
}

impl Content for Subject {
    fn is_part_of(&self, other: &Self) -> bool {
        other.includes(self)
    }

    fn words(&self) -> String {
        Self::words(self)
    }
}

/// Names of privileges, in a role.
impl Content for BTreeSet<String> {
    fn is_part_of(&self, other: &Self) -> bool {
        self.is_subset(other)
    }

    fn words(&self) -> String {
        let names: Vec<_> = self.iter().map(|name| format!("`{name}`")).collect();
        if names.is_empty() {
            "nothing".to_owned()
        } else {
            names.join(", ")
        }
    }
}

impl Content for Holders {
    fn is_part_of(&self, other: &Self) -> bool {
        let mut holders = self.iter();
        holders.all(|(subject, modes)| {
            let mut others = other.iter();
            others.any(|(wider, theirs)| wider.includes(subject) && theirs == modes)
        })
    }

    fn words(&self) -> String {
        let each = self
            .iter()
            .map(|(subject, modes)| subject.words() + &own_modes(modes));
        let each: Vec<_> = each.collect();
        if each.is_empty() {
            "nobody".to_owned()
        } else {
            each.join("; ")
        }
    }
}

fn own_modes(modes: &BTreeSet<Option<Mode>>) -> String {
    let named: Vec<_> = modes.iter().flatten().map(|mode| mode.as_str()).collect();
    if named.is_empty() {
        String::new()
    } else {
        format!(" ({})", named.join(", "))
    }
}
