//! Users of a guest, who exist nowhere but in the guest's own `/etc`.
//!
//! The files are those of the machine with the lab's users put in front; a machine's user of the
//! same name or id is left out, so that no name or id ever has two meanings inside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::files::{self, FileError};

/// A user of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    name: String,
    uid: u32,
    gid: u32,
    groups: Vec<(String, u32)>,
}

impl Account {
    /// Describes a user whose primary group has the user's name.
    #[must_use]
    pub fn new(name: &str, uid: u32, gid: u32) -> Self {
        Self {
            name: name.to_owned(),
            uid,
            gid,
            groups: Vec::new(),
        }
    }

    /// Adds a supplementary group.
    #[must_use]
    pub fn in_group(mut self, name: &str, gid: u32) -> Self {
        self.groups.push((name.to_owned(), gid));
        self
    }

    /// Returns the user's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the user's id and that of the primary group.
    #[must_use]
    pub fn ids(&self) -> (u32, u32) {
        (self.uid, self.gid)
    }
}

/// Returns the users that every guest has: `app`, `www` and `mallory` with nothing but a group of
/// their own, and `svc`, who is also in `metadata` and `ops`.
#[must_use]
pub fn standard() -> Vec<Account> {
    vec![
        Account::new("app", 1001, 2001),
        Account::new("www", 1002, 2002),
        Account::new("mallory", 1003, 2003),
        Account::new("svc", 1004, 2004)
            .in_group("metadata", 2100)
            .in_group("ops", 2101),
    ]
}

/// Why users could not be made or found.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A name that would break the file format or that tools would refuse.
    #[error("`{0}` is no name for a user or group; use a-z, 0-9, `_` and `-`, a letter first")]
    Name(String),
    /// Two users share a name or an id, or two groups share an id.
    #[error("`{0}` has a name or an id that another user or group of the guest has too")]
    Taken(String),
    /// No such user in the guest.
    #[error("the guest has no user `{name}`; its users are in `{}`", passwd.display())]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The file that was searched.
        passwd: PathBuf,
    },
}

/// What a process needs to run as a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary group ids, without the primary one.
    pub groups: Vec<u32>,
    /// Home directory.
    pub home: String,
}

/// The `passwd` and `group` files of one guest.
#[derive(Debug, Clone)]
pub struct AccountFiles {
    /// The file that the guest sees as `/etc/passwd`.
    pub passwd: PathBuf,
    /// The file that the guest sees as `/etc/group`.
    pub group: PathBuf,
}

impl AccountFiles {
    /// Returns the files in a directory, which need not exist yet.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            passwd: directory.join("passwd"),
            group: directory.join("group"),
        }
    }

    /// Writes the machine's users, with `accounts` and root in front, homes below `homes`.
    ///
    /// # Errors
    /// A name or an id is not usable, or a file is not readable or writable.
    pub fn write(&self, accounts: &[Account], homes: &Path) -> Result<(), AccountError> {
        let users = users(accounts)?;
        let groups = groups(accounts)?;
        let mut passwd = format!(
            "root:x:0:0:root:{}:/bin/bash\n",
            homes.join("root").display()
        );
        for account in accounts {
            let Account { name, uid, gid, .. } = account;
            let home = homes.join(name);
            passwd.push_str(&format!(
                "{name}:x:{uid}:{gid}::{}:/bin/sh\n",
                home.display()
            ));
        }
        passwd.push_str(&machine_entries("/etc/passwd", &users)?);
        let mut group = String::new();
        for (name, (gid, members)) in &groups {
            group.push_str(&format!("{name}:x:{gid}:{}\n", members.join(",")));
        }
        let taken = groups
            .iter()
            .map(|(name, (gid, _))| (name.clone(), *gid))
            .collect();
        group.push_str(&machine_entries("/etc/group", &taken)?);
        files::write(&self.passwd, &passwd)?;
        files::write(&self.group, &group)?;
        Ok(())
    }

    /// Returns what a process needs to run as the user `name`.
    ///
    /// # Errors
    /// The guest has no such user, or its files cannot be read.
    pub fn lookup(&self, name: &str) -> Result<Credentials, AccountError> {
        let passwd = files::read(&self.passwd)?;
        let unknown = || AccountError::Unknown {
            name: name.to_owned(),
            passwd: self.passwd.clone(),
        };
        let (uid, gid, home) = passwd
            .lines()
            .find_map(|line| user_entry(line, name))
            .ok_or_else(unknown)?;
        let group = files::read(&self.group)?;
        let groups = group.lines().filter_map(|line| membership(line, name));
        Ok(Credentials {
            uid,
            gid,
            groups: groups.filter(|&id| id != gid).collect(),
            home,
        })
    }
}

/// Returns the names and ids of the lab's users, root included.
fn users(accounts: &[Account]) -> Result<BTreeMap<String, u32>, AccountError> {
    let mut users = BTreeMap::from([("root".to_owned(), 0)]);
    for Account { name, uid, .. } in accounts {
        check_name(name)?;
        let id_is_taken = users.values().any(|taken| taken == uid);
        if users.insert(name.clone(), *uid).is_some() || id_is_taken {
            return Err(AccountError::Taken(name.clone()));
        }
    }
    Ok(users)
}

/// Returns the lab's groups by name, each with its id and the members it has as a second group.
fn groups(accounts: &[Account]) -> Result<BTreeMap<String, (u32, Vec<String>)>, AccountError> {
    let mut groups: BTreeMap<String, (u32, Vec<String>)> = BTreeMap::new();
    for account in accounts {
        let primary = std::iter::once((&account.name, account.gid, None));
        let others = account
            .groups
            .iter()
            .map(|(name, gid)| (name, *gid, Some(&account.name)));
        for (name, gid, member) in primary.chain(others) {
            check_name(name)?;
            if groups
                .iter()
                .any(|(other, (id, _))| (other == name) != (*id == gid))
            {
                return Err(AccountError::Taken(name.clone()));
            }
            let (_, members) = groups.entry(name.clone()).or_insert((gid, Vec::new()));
            members.extend(member.cloned());
        }
    }
    Ok(groups)
}

fn check_name(name: &str) -> Result<(), AccountError> {
    let first_is_letter = name.starts_with(|c: char| c.is_ascii_lowercase());
    let rest_is_plain = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c));
    if first_is_letter && rest_is_plain && name.len() <= 32 {
        Ok(())
    } else {
        Err(AccountError::Name(name.to_owned()))
    }
}

/// Returns the machine's lines whose name and id are not among those taken.
fn machine_entries(file: &str, taken: &BTreeMap<String, u32>) -> Result<String, FileError> {
    let is_free = |line: &&str| {
        let mut fields = line.split(':');
        let name = fields.next().unwrap_or_default();
        let id = fields.nth(1).and_then(|id| id.parse::<u32>().ok());
        !taken.contains_key(name) && id.is_some_and(|id| taken.values().all(|other| *other != id))
    };
    let text = files::read(Path::new(file))?;
    Ok(text
        .lines()
        .filter(is_free)
        .flat_map(|line| [line, "\n"])
        .collect())
}

/// Reads user id, group id and home from the line of `passwd` that is about `name`.
fn user_entry(line: &str, name: &str) -> Option<(u32, u32, String)> {
    let mut fields = line.split(':');
    if fields.next()? != name {
        return None;
    }
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some((uid, gid, fields.nth(1)?.to_owned()))
}

/// Reads the group id from a line of `group` that has `name` as a member.
fn membership(line: &str, name: &str) -> Option<u32> {
    let mut fields = line.split(':').skip(2);
    let gid = fields.next()?.parse().ok()?;
    fields
        .next()?
        .split(',')
        .any(|member| member == name)
        .then_some(gid)
}

#[cfg(test)]
mod tests;
