//! Reads a profile from a file or standard input, and shows all that is wrong with it.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use latchkey_policy::document::text::{self, Document};
use latchkey_policy::document::{Assumed, InvalidDocument};
use latchkey_protocol::authorization::AuthorizationItem;

use crate::arguments::Format;
use crate::exit::Exit;
use crate::problem::{self, Problem, Severity};
use crate::terminal;

mod code;

/// The largest file that is read whole, in bytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What is read as standard input.
const STANDARD_INPUT: &str = "-";

/// A profile that can be used.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) path: PathBuf,
    pub(crate) document: Document,
}

impl Loaded {
    /// Returns what the document says.
    pub(crate) const fn item(&self) -> &AuthorizationItem {
        &self.document.item
    }
}

/// Reads a profile in any form; what is wrong with it has been shown as answers are to be written.
///
/// # Errors
/// How the program ends.
pub(crate) fn load_as(path: &Path, format: Format) -> Result<Loaded, Exit> {
    let (text, read) = parse(path)?;
    let document = read.map_err(|invalid| {
        let problems = problems(&invalid);
        problem::show(&name(path), &text, &problems, format)
    })?;
    say_assumptions(path, &document);
    Ok(Loaded {
        path: path.to_owned(),
        document,
    })
}

/// Reads a profile in any form; its text is what can be shown of it.
///
/// # Errors
/// How the program ends; why it cannot be read has been said.
pub(crate) fn parse(path: &Path) -> Result<(String, Result<Document, InvalidDocument>), Exit> {
    let bytes = read_at_most(path).map_err(|error| unread(path, &error))?;
    let document = text::read_bytes(&bytes, None);
    let text = String::from_utf8(bytes).unwrap_or_else(|error| shown(error.as_bytes()));
    Ok((text, document))
}

/// Returns what can be shown of bytes that are no text; none of it is read as a document.
fn shown(bytes: &[u8]) -> String {
    bytes
        .utf8_chunks()
        .flat_map(|chunk| {
            let is_whole = chunk.invalid().is_empty();
            [chunk.valid(), if is_whole { "" } else { "\u{fffd}" }]
        })
        .collect()
}

/// Says what of a verdict does not come from the document.
pub(crate) fn say_assumptions(path: &Path, document: &Document) {
    let warnings: Vec<_> = document
        .assumed
        .iter()
        .filter_map(|assumed| match assumed {
            Assumed::DefaultAccess => Some(("no defaultAccess: Deny is assumed", "assumed_access")),
            Assumed::Id => None,
            Assumed::Mode => Some(("no mode: Enforce is assumed", "assumed_mode")),
        })
        .map(|(what, code)| Problem {
            severity: Severity::Warning,
            ..Problem::error(code, format!("the document has {what}"))
        })
        .collect();
    problem::complain(&name(path), document.text(), &warnings);
}

/// Returns what is wrong with a profile.
pub(crate) fn problems(invalid: &InvalidDocument) -> Vec<Problem> {
    let entries = invalid.problems().iter();
    entries
        .map(|entry| Problem {
            pointer: Some(entry.pointer.clone()),
            line: Some(entry.place.line),
            column: Some(entry.place.column),
            span: Some(entry.place.offset..entry.place.offset + entry.place.len),
            ..Problem::error(code::of(&entry.kind), entry.kind.to_string())
        })
        .collect()
}

/// Returns what is wrong with a text that is no JSON of the form that was asked for.
pub(crate) fn json_problem(text: &str, error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = message.strip_suffix(&place).unwrap_or(&message);
    let message = if error.is_data() {
        message.to_owned()
    } else {
        format!("this is not JSON: {message}")
    };
    Problem::error("malformed_json", message).at(text, error.line().max(1), error.column().max(1))
}

/// Returns the name of an input in messages.
pub(crate) fn name(path: &Path) -> String {
    if path.as_os_str() == STANDARD_INPUT {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

/// Reads a whole text; why it cannot be read has been said.
///
/// # Errors
/// How the program ends.
pub(crate) fn read(path: &Path) -> Result<String, Exit> {
    let text = read_at_most(path).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|error| {
            let error = format!("this is no text in UTF-8: {}", error.utf8_error());
            io::Error::new(io::ErrorKind::InvalidData, error)
        })
    });
    text.map_err(|error| unread(path, &error))
}

/// Says why a file cannot be read, and returns how the program ends.
fn unread(path: &Path, error: &io::Error) -> Exit {
    terminal::complain(&format!("{}: {error}", name(path)));
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge => Exit::Invalid,
        _ => Exit::Failure,
    }
}

fn read_at_most(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = MAX_BYTES + 1;
    if path.as_os_str() == STANDARD_INPUT {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    } else {
        let file = std::fs::File::open(path)?;
        file.take(limit).read_to_end(&mut bytes)?;
    }
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        let error = format!("the document is larger than {MAX_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, error));
    }
    Ok(bytes)
}
