//! The union of one list: equal meanings become one entry, one name with two meanings is settled
//! by the preference or is a conflict.

use std::collections::BTreeMap;

use latchkey_protocol::authorization::{Identity, Privilege, Role};

use super::{Conflict, Prefer};
use crate::meaning::content::Content;

/// An entry that others refer to by its name.
pub(super) trait Named: Clone {
    /// What an entry of the list is called.
    const KIND: &'static str;
    /// The list's name in a document.
    const LIST: &'static str;

    fn name(&self) -> &String;
}

impl Named for Privilege {
    const KIND: &'static str = "privilege";
    const LIST: &'static str = "privileges";

    fn name(&self) -> &String {
        &self.name
    }
}

impl Named for Role {
    const KIND: &'static str = "role";
    const LIST: &'static str = "roles";

    fn name(&self) -> &String {
        &self.name
    }
}

impl Named for Identity {
    const KIND: &'static str = "identity";
    const LIST: &'static str = "identities";

    fn name(&self) -> &String {
        &self.name
    }
}

/// A united list.
pub(super) struct List<T> {
    pub(super) entries: Vec<T>,
    /// What entries of the second list are called here, where that differs.
    new_names: BTreeMap<String, String>,
}

impl<T> List<T> {
    /// Returns what an entry of the second list is called here.
    pub(super) fn new_name(&self, name: &String) -> String {
        self.new_names.get(name).unwrap_or(name).clone()
    }

    /// Returns what entries of the second list are called here.
    pub(super) fn renamed(&self, names: &[String]) -> Vec<String> {
        let mut renamed: Vec<String> = Vec::with_capacity(names.len());
        for name in names.iter().map(|name| self.new_name(name)) {
            // Two names of the second list may be one here.
            if !renamed.contains(&name) {
                renamed.push(name);
            }
        }
        renamed
    }
}

/// Unites two lists; `contents` are the meanings of their entries, by name.
pub(super) fn union<T: Named, C: Content>(
    [first, second]: [&[T]; 2],
    [own, others]: [&BTreeMap<String, C>; 2],
    prefer: Option<Prefer>,
    conflicts: &mut Vec<Conflict>,
) -> List<T> {
    let mut list = List {
        entries: first.to_vec(),
        new_names: BTreeMap::new(),
    };
    for (at, entry) in second.iter().enumerate() {
        let name = entry.name();
        let Some(content) = others.get(name) else {
            continue;
        };
        let namesake = own.get(name);
        if namesake == Some(content) {
            continue;
        }
        // An entry that the second list gives another meaning may not keep the one it has.
        let mut lasting = own.iter().filter(|(name, own)| {
            let rival = others.get(*name);
            rival.is_none_or(|rival| rival == *own)
        });
        if let Some((known, _)) = lasting.find(|(_, own)| *own == content) {
            list.new_names.insert(name.clone(), known.clone());
            continue;
        }
        let Some(namesake) = namesake else {
            list.entries.push(entry.clone());
            continue;
        };
        let place = first.iter().position(|own| own.name() == name);
        match winner(namesake, content, prefer) {
            Some(Winner::First) => {}
            Some(Winner::Second) => {
                let mut entries = list.entries.iter_mut();
                if let Some(own) = entries.find(|own| own.name() == name) {
                    *own = entry.clone();
                }
            }
            None => conflicts.push(Conflict {
                subject: format!("{} `{name}`", T::KIND),
                pointers: [place.unwrap_or_default(), at]
                    .map(|at| format!("/rules/{}/{at}", T::LIST)),
                contents: [namesake.words(), content.words()],
                remedy: "rename one of them, or choose with --prefer",
            }),
        }
    }
    list
}

enum Winner {
    First,
    Second,
}

fn winner<C: Content>(own: &C, other: &C, prefer: Option<Prefer>) -> Option<Winner> {
    match prefer? {
        Prefer::First => Some(Winner::First),
        Prefer::Second => Some(Winner::Second),
        Prefer::Strict if own.is_part_of(other) => Some(Winner::First),
        Prefer::Strict if other.is_part_of(own) => Some(Winner::Second),
        Prefer::Strict => None,
    }
}
