//! A secret text on disk: made once, readable by its owner alone, never replaced.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

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
