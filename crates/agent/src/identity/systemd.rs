//! Reads the unit and the slice out of a cgroup's path, by the rules of systemd itself.
//!
//! Units of the system alone: slices come first, and what follows the last of them is the unit.
//! Everything below belongs to that unit, whatever it is called.
//!
//! SECURITY: users make cgroups of any name below their own `user@1000.service`; none of these
//! is ever taken for a unit of the system.

use latchkey_protocol::unit::{is_slice_name, is_unit_name};

/// The slice at the root, which has no cgroup of its own.
const ROOT_SLICE: &str = "-.slice";

/// Where a cgroup stands among the units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Placement {
    /// The unit that the cgroup belongs to.
    pub(super) unit: Option<String>,
    /// The slice that it lies in; nothing where no unit is, because then systemd may not be there.
    pub(super) slice: Option<String>,
}

/// Returns where the cgroup at `path` stands.
pub(super) fn placement(path: &str) -> Placement {
    let mut slice = ROOT_SLICE;
    for name in path.split('/').filter(|name| !name.is_empty()) {
        let name = unescaped(name);
        if is_slice_name(name) {
            slice = name;
            continue;
        }
        let unit = is_unit_name(name).then(|| name.to_owned());
        let is_placed = unit.is_some() || slice != ROOT_SLICE;
        return Placement {
            unit,
            slice: is_placed.then(|| slice.to_owned()),
        };
    }
    Placement {
        unit: None,
        slice: (slice != ROOT_SLICE).then(|| slice.to_owned()),
    }
}

/// systemd puts `_` before names that the kernel or itself could take for something else.
pub(super) fn unescaped(name: &str) -> &str {
    name.strip_prefix('_').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn assert_placed(path: &str, unit: Option<&str>, slice: Option<&str>) {
        let expected = Placement {
            unit: unit.map(str::to_owned),
            slice: slice.map(str::to_owned),
        };
        assert_eq!(placement(path), expected, "{path}");
    }

    #[test]
    fn unit_is_what_follows_the_last_of_the_leading_slices() {
        for (path, unit, slice) in [
            ("/system.slice/app.service", "app.service", "system.slice"),
            (
                "/system.slice/app.service/sub",
                "app.service",
                "system.slice",
            ),
            (
                "/system.slice/system-getty.slice/getty@tty1.service",
                "getty@tty1.service",
                "system-getty.slice",
            ),
            ("/init.scope", "init.scope", "-.slice"),
            ("/system.slice/_a.service", "a.service", "system.slice"),
            (
                "/machine.slice/libpod-0f.scope/container",
                "libpod-0f.scope",
                "machine.slice",
            ),
        ] {
            assert_placed(path, Some(unit), Some(slice));
        }
    }

    #[test]
    fn groups_that_users_make_belong_to_the_users_own_unit() {
        for (path, unit) in [
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/app.service",
                "user@1000.service",
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/system.slice/app.service",
                "user@1000.service",
            ),
            (
                "/user.slice/user-1000.slice/session-3.scope/system.slice/app.service",
                "session-3.scope",
            ),
        ] {
            assert_placed(path, Some(unit), Some("user-1000.slice"));
        }
    }

    #[test]
    fn group_without_a_unit_has_none() {
        assert_placed("/", None, None);
        assert_placed("/docker/0f/system.slice/app.service", None, None);
        assert_placed("/system.slice", None, Some("system.slice"));
        assert_placed("/system.slice/ab/app.service", None, Some("system.slice"));
        assert_placed("/system.slice/app@.service", None, Some("system.slice"));
        assert_placed("/__a.service", Some("_a.service"), Some("-.slice"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_below_a_unit_changes_where_it_stands(
            slices in prop::collection::vec("[a-z]{1,4}\\.slice", 0..3),
            unit in "[a-z]{1,4}(@[a-z]{1,3})?\\.(service|scope)",
            below in prop::collection::vec("[a-z@_.]{1,8}|[a-z]{1,3}\\.(slice|service)", 0..4),
        ) {
            let path = format!("/{}", [slices.clone(), vec![unit.clone()], below].concat().join("/"));
            let slice = slices.last().map_or(ROOT_SLICE, String::as_str).to_owned();
            prop_assert_eq!(placement(&path), Placement { unit: Some(unit), slice: Some(slice) });
        }

        #[test]
        fn every_path_is_read_and_what_is_found_is_well_named(path in "(/[a-z@_.]{0,3}(\\.(slice|service))?){0,5}") {
            let Placement { unit, slice } = placement(&path);
            prop_assert!(unit.is_none_or(|unit| is_unit_name(&unit) && !is_slice_name(&unit)));
            prop_assert!(slice.is_none_or(|slice| is_slice_name(&slice)));
        }
    }
}
