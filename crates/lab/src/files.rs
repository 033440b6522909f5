//! File operations whose errors name what was done and to which path.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} `{}`", path.display())]
pub struct FileError {
    /// What was tried, such as `read`.
    pub operation: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

/// Adds the operation and the path to an I/O result.
pub(crate) trait Named<T> {
    fn named(self, operation: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> Named<T> for io::Result<T> {
    fn named(self, operation: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError {
            operation,
            path: path.to_owned(),
            source,
        })
    }
}

pub(crate) fn read(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).named("read", path)
}

pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).named("read", path)
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), FileError> {
    fs::write(path, text).named("write", path)
}

/// Creates one directory, owned by `uid` and `gid`; that it exists already is an error.
pub(crate) fn create_directory(
    path: &Path,
    mode: u32,
    (uid, gid): (u32, u32),
) -> Result<(), FileError> {
    fs::create_dir(path).named("create directory", path)?;
    // Set apart from creation, so that the umask has no say in it.
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).named("set mode of", path)?;
    chown(path, Some(uid), Some(gid)).named("set owner of", path)
}

/// Removes a directory with all that is in it; that it is gone already is success.
pub(crate) fn remove_tree(path: &Path) -> Result<(), FileError> {
    absent_is_fine(fs::remove_dir_all(path)).named("remove", path)
}

/// Turns "not found" into success, for removals that two processes may do at once.
pub(crate) fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Returns the names in a directory, or none if there is no such directory.
pub(crate) fn names_in(path: &Path) -> Result<Vec<String>, FileError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.named("list", path)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        // A name that is not text was not made by a lab.
        if let Ok(name) = entry.named("list", path)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
