//! Reads one row of an export of logs: a record whose fields are columns, or a column that holds a line.
//!
//! Log analytics give columns a suffix for their type, and write everything as text in CSV.

use serde_json::{Map, Value};

use super::{Line, MAX_DEPTH, Unread, read_text};

/// Columns that hold numbers.
const NUMBERS: [&str; 4] = ["count", "port", "status", "version"];

/// Columns that hold JSON, as a value or as text.
const STRUCTURES: [&str; 2] = ["caller", "runAsElevated"];

/// Columns that hold text.
const TEXTS: [&str; 11] = [
    "ip",
    "kind",
    "method",
    "outcome",
    "processCmdLine",
    "processFullPath",
    "responseStatus",
    "target",
    "url",
    "userName",
    "wouldRefuse",
];

/// Columns that hold the time of a row.
const TIMES: [&str; 5] = [
    "time",
    "TimeGenerated",
    "TimeStamp",
    "timestamp",
    "PreciseTimeStamp",
];

/// Reads one row by the names of its columns.
#[must_use]
pub fn read_row(row: Map<String, Value>) -> Line<'static> {
    let mut record = Map::new();
    let mut messages = Vec::new();
    for (name, value) in row {
        match column(&name) {
            Some(name) => {
                if let Some(value) = typed(name, value) {
                    record.insert(name.to_owned(), value);
                }
            }
            None => messages.push(value),
        }
    }
    let is_record = ["url", "target", "processFullPath"]
        .iter()
        .any(|name| record.contains_key(*name));
    if is_record {
        return read_value(record);
    }
    let texts = messages.iter().filter_map(Value::as_str);
    let lines = texts.map(|text| message(text, &record));
    let useful = lines
        .into_iter()
        .find(|line| !matches!(line, Line::Unread(_) | Line::Note));
    useful.unwrap_or(Line::Unread(Unread::UnknownForm))
}

fn read_value(record: Map<String, Value>) -> Line<'static> {
    let text = Value::Object(record).to_string();
    read_text(&text, MAX_DEPTH).into_owned()
}

/// Reads a column that could hold a line, at the time of its row.
fn message(text: &str, record: &Map<String, Value>) -> Line<'static> {
    let time = record.get("timestamp").cloned();
    let event = [("message".to_owned(), Value::from(text))];
    let time = time.map(|time| ("timestamp".to_owned(), time));
    read_value(event.into_iter().chain(time).collect())
}

/// Returns the name of a field for that of a column.
fn column(name: &str) -> Option<&'static str> {
    let plain = ["_s", "_d", "_b", "_g", "_t"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix));
    let name = plain.unwrap_or(name).trim();
    if TIMES.iter().any(|time| time.eq_ignore_ascii_case(name)) {
        return Some("timestamp");
    }
    let known = NUMBERS.iter().chain(&STRUCTURES).chain(&TEXTS);
    known
        .copied()
        .find(|known| known.eq_ignore_ascii_case(name))
}

/// Returns a value as its field needs it; an empty cell is none.
fn typed(name: &str, value: Value) -> Option<Value> {
    let is_text = TEXTS.contains(&name) || name == "timestamp";
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) if !is_text => Some(whole(name, read(name, text))),
        value => Some(whole(name, value)),
    }
}

/// Reads a cell that holds no text; what is no number or structure is refused with the record, which
/// then has other types.
fn read(name: &str, text: String) -> Value {
    let read = match name {
        "caller" => serde_json::from_str(&text),
        // `False`, as some exports have it.
        _ => serde_json::from_str(&text.to_ascii_lowercase()),
    };
    read.unwrap_or(Value::String(text))
}

/// Returns a number without its fraction of nothing: log analytics keep numbers as floating point.
fn whole(name: &str, value: Value) -> Value {
    let Value::Number(number) = &value else {
        return value;
    };
    let text = number.to_string();
    let whole: Option<u64> = text.strip_suffix(".0").and_then(|text| text.parse().ok());
    match whole {
        Some(whole) if NUMBERS.contains(&name) => Value::from(whole),
        _ => value,
    }
}
