//! What a file of requests holds: audit records, request lines, or one document with all of them.

use latchkey_policy::case::RequestLine;
use latchkey_record::AuditRecord;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

/// What the first line of a file shows the file to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One JSON document over many lines, or with all requests in it.
    Document,
    /// One request or record per line.
    Lines,
    /// The line breaks off: the file is a document, or its first line was cut.
    Open,
}

/// A document with all requests in it.
#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Box<RawValue>>,
    /// A request may have a field `vectors`; it has a method too.
    #[serde(default)]
    method: Option<IgnoredAny>,
}

/// Tells the shape of a file by its first line that is not blank.
pub(super) fn shape(line: &[u8]) -> Shape {
    let trimmed = line.trim_ascii();
    if trimmed.starts_with(b"[") {
        return match serde_json::from_slice::<IgnoredAny>(line) {
            Err(error) if !error.is_eof() => Shape::Lines,
            _ => Shape::Document,
        };
    }
    match serde_json::from_slice::<Vectors>(line) {
        Ok(document) if document.method.is_none() => Shape::Document,
        Err(error) if error.is_eof() && trimmed.ends_with(b"[") => Shape::Document,
        Err(error) if error.is_eof() => Shape::Open,
        Ok(_) | Err(_) => Shape::Lines,
    }
}

/// Returns whether a line by itself is a request or a record.
pub(super) fn is_one(line: &[u8]) -> bool {
    !matches!(read(line, &mut Kind::Record), Line::Unreadable(..))
}

/// Returns the requests of a document as they are written.
///
/// # Errors
/// When the text is no JSON.
pub(super) fn lines(text: &[u8]) -> Result<Vec<Box<RawValue>>, serde_json::Error> {
    if text.trim_ascii_start().starts_with(b"[") {
        return serde_json::from_slice(text);
    }
    match serde_json::from_slice::<Vectors>(text) {
        Ok(document) if document.method.is_none() => Ok(document.vectors),
        Err(error) if !error.is_data() => Err(error),
        Ok(_) | Err(_) => Ok(vec![serde_json::from_slice(text)?]),
    }
}

/// One line.
pub(super) enum Line {
    Record(Box<AuditRecord>),
    Request(Box<RequestLine>),
    /// What its id is, if one can be found, and what is wrong with it.
    Unreadable(Option<Value>, String),
}

/// Reads a line: as what the lines before it were, or else as the other.
pub(super) fn read(line: &[u8], before: &mut Kind) -> Line {
    let first = *before;
    for kind in [first, first.other()] {
        let read = match kind {
            Kind::Record => serde_json::from_slice(line).map(Line::Record),
            Kind::Request => serde_json::from_slice(line).map(Line::Request),
        };
        if let Ok(read) = read {
            *before = kind;
            return read;
        }
    }
    unreadable(line)
}

/// What the last line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Record,
    Request,
}

impl Kind {
    const fn other(self) -> Self {
        match self {
            Self::Record => Self::Request,
            Self::Request => Self::Record,
        }
    }
}

/// Says what is wrong with a line that is neither.
fn unreadable(line: &[u8]) -> Line {
    let value: Value = match serde_json::from_slice(line) {
        Ok(value) => value,
        Err(error) => return Line::Unreadable(None, format!("the line is no JSON: {error}")),
    };
    let is_record = value.get("sequence").is_some() && value.get("run").is_some();
    let error = if is_record {
        serde_json::from_slice::<AuditRecord>(line).err()
    } else {
        serde_json::from_slice::<RequestLine>(line).err()
    };
    let what = if is_record { "audit record" } else { "request" };
    let error = error.map_or(String::new(), |error| format!(": {error}"));
    let problem = format!("the line is no {what}{error}");
    Line::Unreadable(value.get("id").cloned(), problem)
}
