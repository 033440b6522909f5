//! Names of users and groups, by number, from the system's databases (NSS). May block.
//!
//! Names are remembered for a short while: a database may be on another machine.

use std::time::Instant;

use latchkey_intercept::{Gid, Uid};
use nix::unistd::{self, Group, User};
use quick_cache::sync::Cache;

use super::{CAPACITY, FRESH};

/// Of how many groups of a process the names are looked up; rules match none of the others.
///
/// SECURITY: a process may have 65,536 of them, and each may be asked of a server.
const MAX_GROUPS: usize = 1024;

/// A name, if the number has one, and when that was found out.
type Known = (Instant, Option<String>);

/// Names that were looked up.
#[derive(Debug)]
pub(super) struct Accounts {
    users: Cache<u32, Known>,
    groups: Cache<u32, Known>,
}

impl Accounts {
    pub(super) fn new() -> Self {
        Self {
            users: Cache::new(CAPACITY),
            groups: Cache::new(CAPACITY),
        }
    }

    /// Returns the name of a user; a user that no database knows has none, and matches no rule.
    pub(super) fn user_name(&self, Uid(uid): Uid) -> Option<String> {
        name(&self.users, uid, || {
            User::from_uid(unistd::Uid::from_raw(uid)).map(|user| Some(user?.name))
        })
    }

    /// Returns the names of groups that have one.
    pub(super) fn group_names(&self, groups: &[Gid]) -> Vec<String> {
        let groups = groups.iter().take(MAX_GROUPS);
        groups.filter_map(|gid| self.group_name(*gid)).collect()
    }

    fn group_name(&self, Gid(gid): Gid) -> Option<String> {
        name(&self.groups, gid, || {
            Group::from_gid(unistd::Gid::from_raw(gid)).map(|group| Some(group?.name))
        })
    }
}

/// Returns the name of a number. A database that cannot answer is asked again the next time.
fn name(
    known: &Cache<u32, Known>,
    number: u32,
    look_up: impl FnOnce() -> nix::Result<Option<String>>,
) -> Option<String> {
    match known.get(&number) {
        Some((found, name)) if found.elapsed() < FRESH => return name,
        _ => {}
    }
    let name = look_up().ok()?;
    known.insert(number, (Instant::now(), name.clone()));
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_a_name_and_an_unknown_number_has_none() {
        let accounts = Accounts::new();
        for _ in 0..2 {
            assert_eq!(accounts.user_name(Uid(0)).as_deref(), Some("root"));
            assert_eq!(accounts.user_name(Uid(3_999_999_999)), None);
            let groups = [Gid(3_999_999_999), Gid(0)];
            assert_eq!(accounts.group_names(&groups), ["root"]);
        }
        assert_eq!(accounts.groups.len(), 2);
    }

    #[test]
    fn name_is_looked_up_once_and_a_database_that_fails_again() {
        let known = Cache::new(8);
        assert_eq!(name(&known, 1, || Err(nix::Error::EIO)), None);
        let found = || Ok(Some("a".to_owned()));
        assert_eq!(name(&known, 1, found).as_deref(), Some("a"));
        assert_eq!(name(&known, 1, || Ok(None)).as_deref(), Some("a"));
    }
}
