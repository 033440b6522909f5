//! Which settings and entries differ: added, removed, renamed, widened, narrowed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::meaning::Meaning;
use crate::meaning::content::Content;

/// A field beside the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Setting {
    /// When Audit ends.
    AuditUntil,
    /// What becomes of requests that no privilege covers.
    DefaultAccess,
    /// The mode of the profile.
    Mode,
}

/// A setting that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingChange {
    /// The setting.
    pub setting: Setting,
    /// What it was, if it was set.
    pub before: Option<String>,
    /// What it is, if it is set.
    pub after: Option<String>,
}

/// One of the four lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Entry {
    /// Who holds a role; named as the role.
    Assignment,
    /// Who can ask.
    Identity,
    /// What can be asked for.
    Privilege,
    /// A set of privileges.
    Role,
}

/// How an entry differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// It is new.
    Added,
    /// It means something else, neither all of what it meant nor a part of it.
    Changed,
    /// It means a part of what it meant.
    Narrowed,
    /// It is gone.
    Removed,
    /// It means the same under another name.
    Renamed,
    /// It means all that it meant, and more.
    Widened,
}

/// An entry that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryChange {
    /// The list that it stands in.
    pub entry: Entry,
    /// How it differs.
    pub change: Change,
    /// Its name; the new one if it has been renamed.
    pub name: String,
    /// Its name before it was renamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former_name: Option<String>,
    /// What it meant, in words; nothing if it was not there.
    pub before: Option<String>,
    /// What it means, in words; nothing if it is gone.
    pub after: Option<String>,
}

/// Compares what stands beside the rules.
pub(super) fn settings(before: &Meaning, after: &Meaning) -> Vec<SettingChange> {
    let said = |meaning: &Meaning| {
        [
            (Setting::Mode, Some(meaning.mode.to_string())),
            (
                Setting::DefaultAccess,
                Some(meaning.default_access.as_str().to_owned()),
            ),
            (
                Setting::AuditUntil,
                meaning.audit_until.map(|end| end.to_string()),
            ),
        ]
    };
    let pairs = said(before).into_iter().zip(said(after));
    let differing = pairs.filter(|((_, before), (_, after))| before != after);
    let change = |((setting, before), (_, after))| SettingChange {
        setting,
        before,
        after,
    };
    differing.map(change).collect()
}

/// Compares the four lists.
pub(super) fn entries(before: &Meaning, after: &Meaning) -> Vec<EntryChange> {
    let mut changes = compare(Entry::Privilege, &before.privileges, &after.privileges);
    let roles = compare(Entry::Role, &before.roles, &after.roles);
    let identities = compare(Entry::Identity, &before.identities, &after.identities);
    // An assignment goes by its role's name, so it keeps its place when the role is renamed.
    let new_name = |name: &String| {
        let mut renamed = roles.iter();
        let renamed = renamed.find(|role| role.former_name.as_ref() == Some(name));
        renamed.map_or_else(|| name.clone(), |role| role.name.clone())
    };
    let held = before.assignments.iter();
    let held: BTreeMap<_, _> = held
        .map(|(role, holders)| (new_name(role), holders.clone()))
        .collect();
    changes.extend(roles);
    changes.extend(identities);
    changes.extend(compare(Entry::Assignment, &held, &after.assignments));
    changes
}

/// Compares the entries of one list: by name first, then those that are left by what they mean.
fn compare<C: Content>(
    entry: Entry,
    before: &BTreeMap<String, C>,
    after: &BTreeMap<String, C>,
) -> Vec<EntryChange> {
    let mut changes = Vec::new();
    let mut added: BTreeMap<&String, &C> = after
        .iter()
        .filter(|(name, _)| !before.contains_key(*name))
        .collect();
    for (name, old) in before {
        let (new_name, new, change) = match after.get(name) {
            Some(new) if new == old => continue,
            Some(new) => (name, Some(new), how(old, new)),
            // To whom one role is given, and another was, is no renaming.
            None if entry == Entry::Assignment => (name, None, Change::Removed),
            None => match added.iter().find(|(_, new)| **new == old) {
                Some((&renamed, &new)) => (renamed, Some(new), Change::Renamed),
                None => (name, None, Change::Removed),
            },
        };
        added.remove(new_name);
        changes.push(EntryChange {
            entry,
            change,
            name: new_name.clone(),
            former_name: (change == Change::Renamed).then(|| name.clone()),
            before: Some(old.words()),
            after: new.map(C::words),
        });
    }
    for (name, new) in added {
        changes.push(EntryChange {
            entry,
            change: Change::Added,
            name: name.clone(),
            former_name: None,
            before: None,
            after: Some(new.words()),
        });
    }
    changes
}

fn how<C: Content>(old: &C, new: &C) -> Change {
    match (old.is_part_of(new), new.is_part_of(old)) {
        (true, false) => Change::Widened,
        (false, true) => Change::Narrowed,
        // Both, where the same is only put differently.
        (true, true) | (false, false) => Change::Changed,
    }
}
