//! The union of one list: equal meanings become one entry, one name with two meanings is settled
//! by the preference or is a conflict. What loses is left out, and so is whatever refers to it.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_protocol::authorization::{Identity, Privilege, Role};

use super::{Conflict, Prefer, Side};
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
    /// The entries of each list that are not here, as the other profile was preferred.
    left_out: [BTreeSet<String>; 2],
}

impl<T: Named> List<T> {
    /// Returns what an entry of one of the lists is called here; nothing if it is left out.
    ///
    /// SECURITY: its namesake is another entry. Whoever had the one must not get the other for it.
    pub(super) fn new_name(&self, side: Side, name: &str) -> Option<String> {
        let [first, second] = &self.left_out;
        let (left_out, new_name) = match side {
            Side::First => (first, None),
            Side::Second => (second, self.new_names.get(name)),
        };
        (!left_out.contains(name)).then(|| new_name.map_or(name, String::as_str).to_owned())
    }

    /// Returns what entries of one of the lists are called here, without those that are left out.
    pub(super) fn new_names(&self, side: Side, names: &[String]) -> Vec<String> {
        let mut renamed: Vec<String> = Vec::with_capacity(names.len());
        for name in names.iter().filter_map(|name| self.new_name(side, name)) {
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
        left_out: [BTreeSet::new(), BTreeSet::new()],
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
        let chosen = winner(namesake, content, prefer);
        if chosen == Some(Side::Second)
            && let Some(own) = list.entries.iter_mut().find(|own| own.name() == name)
        {
            *own = entry.clone();
        }
        let [lost_first, lost_second] = &mut list.left_out;
        match (chosen, prefer) {
            // Whoever had the wider one has the narrower one.
            (Some(_), Some(Prefer::Strict)) => {}
            (Some(Side::First), _) => {
                lost_second.insert(name.clone());
            }
            (Some(Side::Second), _) => {
                lost_first.insert(name.clone());
            }
            (None, _) => conflicts.push(Conflict {
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

fn winner<C: Content>(own: &C, other: &C, prefer: Option<Prefer>) -> Option<Side> {
    match prefer? {
        Prefer::First => Some(Side::First),
        Prefer::Second => Some(Side::Second),
        Prefer::Strict if own.is_part_of(other) => Some(Side::First),
        Prefer::Strict if other.is_part_of(own) => Some(Side::Second),
        Prefer::Strict => None,
    }
}
