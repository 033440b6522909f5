//! What a file of requests holds: audit records, request lines, or one document with all of them.

use latchkey_policy::case::RequestLine;
use latchkey_record::AuditRecord;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// What the first line of a file shows the file to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One JSON document over many lines, or with all requests in it.
    Document,
    /// One request or record per line.
    Lines,
}

/// Tells the shape of a file by its first line that is not blank.
pub(super) fn shape(line: &[u8]) -> Shape {
    #[derive(Deserialize)]
    struct Vectors {
        #[serde(rename = "vectors")]
        _vectors: Vec<IgnoredAny>,
    }
    let begins_list = line.trim_ascii_start().starts_with(b"[");
    match serde_json::from_slice::<IgnoredAny>(line) {
        Err(error) if error.is_eof() => Shape::Document,
        Ok(_) if begins_list || serde_json::from_slice::<Vectors>(line).is_ok() => Shape::Document,
        Ok(_) | Err(_) => Shape::Lines,
    }
}

/// Returns the requests of a document as lines.
///
/// # Errors
/// When the text is no JSON.
pub(super) fn lines(text: &[u8]) -> Result<Vec<Vec<u8>>, serde_json::Error> {
    let document: Value = serde_json::from_slice(text)?;
    let entries = match document {
        Value::Array(entries) => entries,
        Value::Object(mut object) => match object.remove("vectors") {
            Some(Value::Array(entries)) => entries,
            Some(other) => vec![other],
            None => vec![Value::Object(object)],
        },
        other => vec![other],
    };
    entries.iter().map(serde_json::to_vec).collect()
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
