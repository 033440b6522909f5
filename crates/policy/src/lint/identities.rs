//! Who an identity is for anybody who would like to be it.

use latchkey_protocol::authorization::Identity;

use super::reading::{Reading, identity_at};
use super::{Code, Finding};

/// What deployed agents call users and groups that the database does not know.
const UNDEFINED: &str = "undefined";
/// Where systemd puts the sessions of users who log in.
const SESSIONS: &str = "user.slice";

pub(super) fn look(reading: &Reading<'_>, findings: &mut Vec<Finding>) {
    for (at, identity) in reading.identities.iter().enumerate() {
        for (member, name) in [
            ("userName", &identity.user_name),
            ("groupName", &identity.group_name),
        ] {
            if name.as_deref() == Some(UNDEFINED) {
                findings.push(Finding::new(
                    Code::UndefinedAccount,
                    format!("{}/{member}", identity_at(at)),
                    format!("deployed agents take every caller without a name in the user database for `{UNDEFINED}`"),
                    "name a user or group that exists, or use uid or gid",
                ));
            }
        }
    }
}

/// Returns whether any user of the machine can become an identity: nothing about it is given by root alone.
///
/// A digest or a path tells what runs, not for whom: whoever starts a program tells it what to do, and
/// can load code into it.
pub(super) fn is_open(identity: &Identity) -> bool {
    let in_service = identity
        .systemd_slice
        .as_deref()
        .is_some_and(|slice| slice != SESSIONS && !slice.starts_with("user-"));
    let in_cgroup = identity.cgroup.as_deref().is_some_and(|path| {
        let first = path.split('/').find(|segment| !segment.is_empty());
        first.is_some_and(|first| first != SESSIONS)
    });
    !in_service
        && !in_cgroup
        && identity.user_name.is_none()
        && identity.group_name.is_none()
        && identity.uid.is_none()
        && identity.gid.is_none()
        && identity.systemd_unit.is_none()
        && identity.container_id.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_root_gives_keeps_others_out() {
        let some = |text: &str| Some(text.to_owned());
        for (identity, expected) in [
            (
                Identity {
                    user_name: some("app"),
                    ..Identity::default()
                },
                false,
            ),
            (
                Identity {
                    gid: Some(7),
                    ..Identity::default()
                },
                false,
            ),
            (
                Identity {
                    systemd_unit: some("app.service"),
                    ..Identity::default()
                },
                false,
            ),
            (
                Identity {
                    cgroup: some("/system.slice/app.service"),
                    ..Identity::default()
                },
                false,
            ),
            (
                Identity {
                    cgroup: some("/user.slice/user-7.slice"),
                    ..Identity::default()
                },
                true,
            ),
            (
                Identity {
                    systemd_slice: some("user.slice"),
                    ..Identity::default()
                },
                true,
            ),
            (
                Identity {
                    systemd_slice: some("system.slice"),
                    ..Identity::default()
                },
                false,
            ),
            (
                Identity {
                    exe_path: some("/opt/app"),
                    ..Identity::default()
                },
                true,
            ),
            (
                Identity {
                    exe_sha256: Some(vec!["00".repeat(32)]),
                    ..Identity::default()
                },
                true,
            ),
            (
                Identity {
                    script_path: some("/opt/a.py"),
                    ..Identity::default()
                },
                true,
            ),
        ] {
            assert_eq!(is_open(&identity), expected, "{identity:?}");
        }
    }
}
