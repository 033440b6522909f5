//! Finds mounted kernel file systems in `/proc/self/mountinfo`; it never guesses a path.

use std::path::{Path, PathBuf};

use crate::files::{self, FileError};

/// Where the file system of type `kind` is mounted.
///
/// A mount that shows only a part of the file system does not count.
///
/// # Errors
/// `/proc/self/mountinfo` cannot be read.
pub fn mount_point(kind: &str) -> Result<Option<PathBuf>, FileError> {
    let table = files::read(Path::new("/proc/self/mountinfo"))?;
    Ok(table
        .lines()
        .filter_map(Mount::parse)
        .find(|m| m.kind == kind)
        .map(|m| m.point))
}

/// Whether a file system of type `kind` is what one sees at `point`.
///
/// # Errors
/// `/proc/self/mountinfo` cannot be read.
pub fn is_mounted(kind: &str, point: &Path) -> Result<bool, FileError> {
    let table = files::read(Path::new("/proc/self/mountinfo"))?;
    // The last mount at a place hides those before it.
    let visible = table
        .lines()
        .filter_map(Mount::parse)
        .rfind(|m| m.point == point);
    Ok(visible.is_some_and(|m| m.kind == kind))
}

#[derive(Debug, PartialEq, Eq)]
struct Mount<'a> {
    point: PathBuf,
    kind: &'a str,
}

impl<'a> Mount<'a> {
    /// Reads one line; see proc(5). Returns nothing for a bind mount of a part.
    fn parse(line: &'a str) -> Option<Self> {
        let (front, back) = line.split_once(" - ")?;
        let mut fields = front.split(' ').skip(3);
        let root = fields.next()?;
        let point = fields.next()?;
        let kind = back.split(' ').next()?;
        (root == "/").then(|| Self {
            point: PathBuf::from(unescape(point)),
            kind,
        })
    }
}

/// Undoes the four octal escapes that the kernel writes.
fn unescape(field: &str) -> String {
    field
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_with_optional_fields_is_read() {
        let line =
            "38 31 0:35 / /sys/fs/cgroup/my\\040own rw,relatime shared:9 - cgroup2 cgroup2 rw";
        let expected = Mount {
            point: PathBuf::from("/sys/fs/cgroup/my own"),
            kind: "cgroup2",
        };
        assert_eq!(Mount::parse(line), Some(expected));
    }

    #[test]
    fn bind_mount_of_a_part_does_not_count() {
        assert_eq!(
            Mount::parse("1 2 0:3 /part /sys/fs/bpf rw - bpf bpf rw"),
            None
        );
    }

    #[test]
    fn proc_is_found_where_it_is_mounted() {
        assert_eq!(mount_point("proc").unwrap(), Some(PathBuf::from("/proc")));
        assert!(is_mounted("proc", Path::new("/proc")).unwrap());
        assert!(!is_mounted("bpf", Path::new("/proc")).unwrap());
    }
}
