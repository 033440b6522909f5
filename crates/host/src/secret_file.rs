//! Secrets on disk: the host's own, made once and never replaced, and those that it is given.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::fcntl::OFlag;
use zeroize::Zeroizing;

/// Returns the text of a file; one that is not there is made first. `E` is the caller's error, of
/// which the two others are told apart by `at_file`.
///
/// # Errors
/// When the file cannot be read or written, or the text cannot be made.
pub(crate) fn read_or_make<E>(
    path: &Path,
    at_file: impl Fn(io::Error) -> E,
    make: impl FnOnce() -> Result<Zeroizing<String>, E>,
) -> Result<Zeroizing<String>, E> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = make()?;
            write_new(path, text.as_bytes()).map_err(at_file)?;
            Ok(text)
        }
        Err(error) => Err(at_file(error)),
    }
}

/// The longest secret that is read, in bytes.
const MAX_BYTES: u64 = 64 * 1024;
/// The permissions that let everybody at a file.
const OTHERS: u32 = 0o007;

/// Reads a secret that somebody else wrote.
///
/// # Errors
/// When it cannot be read, is no file, or is open to everybody.
pub(crate) fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // A pipe without a writer would have the program wait for one.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(io::Error::other(
            "everybody may use it: take it from others (`chmod o=`)",
        ));
    }
    let mut content = Zeroizing::new(Vec::new());
    file.take(MAX_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

/// Writes a file that appears under its name only when it is whole.
fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(fresh, path)
}
