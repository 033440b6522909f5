//! `latchkey profile fmt`: writes profiles in one way.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use latchkey_policy::document::{Document, are_numbers_kept, format, text};
use serde::Serialize;

use crate::arguments::Format;
use crate::document;
use crate::exit::Exit;
use crate::problem::{self, Problem};
use crate::terminal;
use crate::visible::{visible, visible_json};

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
    /// How the answer is written; JSON is a list with an object per file.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What became of one file, as `--format json` writes it.
#[derive(Debug, Serialize)]
struct Formatted {
    file: String,
    /// Whether it is, or with --check would be, written another way than before.
    changed: bool,
    /// Why it is left alone.
    problems: Vec<Problem>,
    /// What standard input becomes.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

pub(crate) fn run(arguments: &Fmt) -> Exit {
    let mut exit = Exit::Success;
    let mut done = Vec::new();
    for file in &arguments.files {
        let (one, formatted) = one(file, arguments);
        exit = exit.worse(one);
        done.extend(formatted);
    }
    match arguments.format {
        Format::Text => exit,
        Format::Json => terminal::print_json(&done, exit),
    }
}

fn one(file: &Path, arguments: &Fmt) -> (Exit, Option<Formatted>) {
    let text = match document::read(file) {
        Ok(text) => text,
        Err(exit) => return (exit, None),
    };
    let name = document::name(file);
    let (document, formatted) = match rewritten(&text) {
        Ok(rewritten) => rewritten,
        Err(problems) => {
            if arguments.format == Format::Text {
                problem::complain(&name, &text, &problems);
            }
            let left_alone = Formatted {
                file: name,
                changed: false,
                problems,
                text: None,
            };
            return (Exit::Invalid, Some(left_alone));
        }
    };
    document::say_assumptions(file, &document);
    let changed = formatted != document.text();
    let is_input = file.as_os_str() == "-";
    let exit = match (arguments.check, arguments.format) {
        (true, Format::Text) if changed => terminal::print(&(visible(&name) + "\n"), Exit::Refused),
        (true, Format::Json) if changed => Exit::Refused,
        (false, Format::Text) if is_input => terminal::print(&formatted, Exit::Success),
        (false, _) if changed && !is_input => replace(file, &formatted),
        _ => Exit::Success,
    };
    let done = Formatted {
        file: name,
        changed,
        problems: Vec::new(),
        text: (is_input && !arguments.check).then_some(formatted),
    };
    (exit, Some(done).filter(|_| exit != Exit::Failure))
}

/// Returns a document with its text as it is to be written, or why it is to be left alone.
fn rewritten(text: &str) -> Result<(Document, String), Vec<Problem>> {
    let document = text::read(text, None).map_err(|invalid| document::problems(&invalid))?;
    let formatted = visible_json(&format(&document));
    if are_numbers_kept(text, &formatted) {
        return Ok((document, formatted));
    }
    let message = "a number would be written as another one, so the document is left alone";
    Err(vec![Problem::error("unkept_number", message)])
}

fn replace(file: &Path, text: &str) -> Exit {
    // A link is written through, not replaced.
    let written = fs::canonicalize(file).and_then(|path| {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(text.as_bytes())?;
        new.as_file()
            .set_permissions(fs::metadata(&path)?.permissions())?;
        new.as_file().sync_all()?;
        new.persist(&path).map_err(|error| error.error)
    });
    match written {
        Ok(_file) => Exit::Success,
        Err(error) => {
            terminal::complain(&format!("{}: {error}", file.display()));
            Exit::Failure
        }
    }
}
