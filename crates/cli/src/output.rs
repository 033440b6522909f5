//! Where a document that the program makes goes: a file, written whole or not at all, or standard output.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::exit::Exit;
use crate::terminal;
use crate::visible::visible_json;

/// What anybody may do with a new file; it holds no secret.
const MODE: u32 = 0o644;

/// Writes a document to a file, or to standard output without one.
pub(crate) fn write(text: &str, file: Option<&Path>) -> Exit {
    let Some(file) = file else {
        return terminal::print(text, Exit::Success);
    };
    match replace(text, file) {
        Ok(()) => Exit::Success,
        Err(error) => {
            terminal::complain(&format!("{}: {error}", file.display()));
            Exit::Failure
        }
    }
}

/// Writes JSON, likewise; what would command a terminal is escaped.
pub(crate) fn write_json(json: &str, file: Option<&Path>) -> Exit {
    write(&visible_json(json), file)
}

fn replace(text: &str, file: &Path) -> io::Result<()> {
    let parent = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut new = tempfile::NamedTempFile::new_in(parent.unwrap_or(Path::new(".")))?;
    new.write_all(text.as_bytes())?;
    new.as_file()
        .set_permissions(Permissions::from_mode(MODE))?;
    new.as_file().sync_all()?;
    new.persist(file)?;
    Ok(())
}
