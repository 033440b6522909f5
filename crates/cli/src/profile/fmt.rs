//! `latchkey profile fmt`: writes profiles in one way.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use latchkey_policy::document::format;

use crate::arguments::Format;
use crate::document::{self, Loaded};
use crate::exit::Exit;
use crate::terminal;
use crate::visible::visible;

/// Writes profiles in one way: two spaces of indent, fields in the order of the reference.
///
/// A file is replaced at once or not at all; standard input is written to standard output.
///
/// Exit codes: 0 done; 1 a file cannot be read or written; 2 with --check, a file is written
/// another way; 3 a profile is invalid; 64 the command line is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  latchkey profile fmt imds.json wireserver.json
  latchkey profile fmt --check *.json
  latchkey profile fmt - < imds.json")]
pub(crate) struct Fmt {
    /// The profiles.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Change nothing; name the files that would change.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Fmt) -> Exit {
    let exits = arguments
        .files
        .iter()
        .map(|file| one(file, arguments.check));
    exits.fold(Exit::Success, Exit::worse)
}

fn one(file: &Path, check: bool) -> Exit {
    let loaded = match document::load_as(file, Format::Text) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let text = format(&loaded.document);
    let is_same = text == loaded.document.text();
    match (check, file.as_os_str() == "-") {
        (true, _) if is_same => Exit::Success,
        (true, _) => terminal::print(&(visible(&document::name(file)) + "\n"), Exit::Refused),
        (false, true) => terminal::print(&text, Exit::Success),
        (false, false) if is_same => Exit::Success,
        (false, false) => replace(&loaded, &text),
    }
}

fn replace(loaded: &Loaded, text: &str) -> Exit {
    // A link is written through, not replaced.
    let written = fs::canonicalize(&loaded.path).and_then(|path| {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file()
            .set_permissions(fs::metadata(&path)?.permissions())?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)
    });
    match written {
        Ok(_file) => Exit::Success,
        Err(error) => {
            terminal::complain(&format!("{}: {error}", loaded.path.display()));
            Exit::Failure
        }
    }
}
