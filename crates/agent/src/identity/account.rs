//! Names of users and groups, by number, from the system's databases (NSS). May block.

use latchkey_intercept::{Gid, Uid};
use nix::unistd::{self, Group, User};

/// Returns the name of a user; a user that no database knows has none, and matches no rule.
pub(super) fn user_name(uid: Uid) -> Option<String> {
    User::from_uid(unistd::Uid::from_raw(uid.0))
        .ok()?
        .map(|user| user.name)
}

/// Returns the name of a group.
pub(super) fn group_name(gid: Gid) -> Option<String> {
    Group::from_gid(unistd::Gid::from_raw(gid.0))
        .ok()?
        .map(|group| group.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_a_name_and_an_unknown_number_has_none() {
        assert_eq!(user_name(Uid(0)).as_deref(), Some("root"));
        assert_eq!(group_name(Gid(0)).as_deref(), Some("root"));
        assert_eq!(user_name(Uid(3_999_999_999)), None);
        assert_eq!(group_name(Gid(3_999_999_999)), None);
    }
}
