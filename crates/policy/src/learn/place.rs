//! Where programs lie: places in which others than root decide what a file holds.

use super::Mark;

/// Where everybody can put a file, or mount what he brought.
const WORLD_WRITABLE: [&str; 13] = [
    "/tmp/",
    "/var/tmp/",
    "/dev/shm/",
    "/dev/mqueue/",
    "/run/lock/",
    "/run/shm/",
    "/var/lock/",
    "/var/crash/",
    "/var/mail/",
    "/var/spool/mail/",
    "/media/",
    "/mnt/",
    // SECURITY: `/proc/7/root/tmp/x` and `/proc/self/fd/5` lead wherever that process likes.
    "/proc/",
];

/// Where a user can put a file.
const HOMES: [&str; 2] = ["/home/", "/run/user/"];

/// Returns what is doubtful about the place of a file.
pub(super) fn place(path: &str) -> Option<Mark> {
    let lies_in = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
    if lies_in(&WORLD_WRITABLE) {
        Some(Mark::WorldWritable)
    } else {
        lies_in(&HOMES).then_some(Mark::HomeFolder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_where_others_decide_are_marked() {
        for path in [
            "/tmp/x",
            "/dev/shm/x",
            "/proc/7/root/tmp/x",
            "/proc/self/fd/5",
            "/var/mail/x",
            "/media/usb/x",
            "/mnt/x",
        ] {
            assert_eq!(place(path), Some(Mark::WorldWritable), "{path}");
        }
        assert_eq!(place("/home/alice/x"), Some(Mark::HomeFolder));
        for path in ["/usr/bin/x", "/tmpfiles/x", "/opt/tmp/x", "/mntx/x"] {
            assert_eq!(place(path), None, "{path}");
        }
    }
}
