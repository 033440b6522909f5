//! Files that hold state: written whole or not at all, private from the start, never through a symbolic link.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// A state file or folder could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("{operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The file is not one that only the agent's user can have written.
    #[error(
        "{path} must be a plain file or folder of user {expected} that nobody else can write to, or for keys read"
    )]
    NotPrivate {
        /// Which file or folder.
        path: PathBuf,
        /// The user that it must belong to.
        expected: u32,
    },
    /// The file is larger than any that the agent writes.
    #[error("{path} is larger than {limit} bytes")]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
}

impl FileError {
    fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            operation,
            path,
            source,
        }
    }
}

/// Makes a folder that only its owner can enter, or checks that an existing one is.
///
/// # Errors
/// When it cannot be made, or is not private.
pub fn private_folder(path: &Path) -> Result<(), FileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(FileError::io("create", path))?;
    let found = fs::symlink_metadata(path).map_err(FileError::io("look at", path))?;
    let expected = rustix::process::geteuid().as_raw();
    if !found.is_dir() || found.uid() != expected || found.mode() & 0o022 != 0 {
        return Err(FileError::NotPrivate {
            path: path.to_owned(),
            expected,
        });
    }
    Ok(())
}

/// Replaces a file by one with this content, of mode 0600, durably: after a crash the file holds
/// the old content or the new.
///
/// # Errors
/// When any step fails; the old file then stays.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = folder.join(name);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(FileError::io("remove", &new)(error));
        }
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .map_err(FileError::io("create", &new))?;
    file.write_all(content)
        .map_err(FileError::io("write", &new))?;
    file.sync_all().map_err(FileError::io("sync", &new))?;
    fs::rename(&new, path).map_err(FileError::io("rename", &new))?;
    let folder_handle = File::open(folder).map_err(FileError::io("open", folder))?;
    folder_handle
        .sync_all()
        .map_err(FileError::io("sync", folder))
}

/// Reads a file of at most `limit` bytes that nobody but the agent's user could read or write;
/// nothing when there is none.
///
/// # Errors
/// When it cannot be read, is not private, or is too large.
pub fn read_private(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    // Without waiting for a writer, should it be a pipe.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty());
    read(path, file, (0o077, limit))
}

/// Reads a file of at most `limit` bytes of a folder, of which nobody but the agent's user could
/// have written either; nothing when one of them is not there.
///
/// # Errors
/// When it cannot be read, others could have written it, or it is too large.
pub fn read_trusted(folder: &Path, name: &str, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = match rustix::fs::open(folder, flags | OFlags::DIRECTORY, Mode::empty()) {
        Ok(opened) => File::from(opened),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(FileError::io("open", folder)(error.into())),
    };
    let found = opened
        .metadata()
        .map_err(FileError::io("look at", folder))?;
    let expected = rustix::process::geteuid().as_raw();
    if found.uid() != expected || found.mode() & 0o022 != 0 {
        return Err(FileError::NotPrivate {
            path: folder.to_owned(),
            expected,
        });
    }
    // SECURITY: of the folder that was looked at, which nobody can have exchanged since.
    let file = rustix::fs::openat(&opened, name, flags, Mode::empty());
    read(&folder.join(name), file, (0o022, limit))
}

/// Reads an opened file with none of the forbidden bits of the mode.
fn read(
    path: &Path,
    opened: Result<OwnedFd, Errno>,
    (forbidden, limit): (u32, u64),
) -> Result<Option<Vec<u8>>, FileError> {
    let file = match opened {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(FileError::io("open", path)(error.into())),
    };
    let found = file.metadata().map_err(FileError::io("look at", path))?;
    let expected = rustix::process::geteuid().as_raw();
    if !found.is_file() || found.uid() != expected || found.mode() & forbidden != 0 {
        return Err(FileError::NotPrivate {
            path: path.to_owned(),
            expected,
        });
    }
    let mut content = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut content)
        .map_err(FileError::io("read", path))?;
    if content.len() as u64 > limit {
        return Err(FileError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(Some(content))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn files_are_private_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read_private(&path, 10).unwrap().unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn file_that_others_could_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        replace(&path, b"one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            read_private(&path, 10),
            Err(FileError::NotPrivate { .. })
        ));
    }

    #[test]
    fn symbolic_link_in_the_way_is_refused_or_replaced_never_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("state"), folder.path().join("target"));
        fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        std::os::unix::fs::symlink(&target, folder.path().join("state.new")).unwrap();
        assert!(read_private(&path, 10).is_err());
        replace(&path, b"one").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"precious");
        assert_eq!(read_private(&path, 10).unwrap().unwrap(), b"one");
    }

    #[test]
    fn missing_file_is_nothing_and_a_huge_one_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        assert!(read_private(&path, 10).unwrap().is_none());
        replace(&path, &[b'x'; 11]).unwrap();
        assert!(matches!(
            read_private(&path, 10),
            Err(FileError::TooLarge { .. })
        ));
    }
}
