//! What a column of an export holds, by its name, and its cells as the fields of a record.
//!
//! Log analytics give columns a suffix for their type, and write everything as text in CSV.

use serde_json::Value;

/// Columns that hold numbers.
const NUMBERS: [&str; 5] = ["count", "port", "sequence", "status", "version"];

/// Columns that hold JSON, as a value or as text.
const STRUCTURES: [&str; 2] = ["caller", "runAsElevated"];

/// Columns that hold text.
const TEXTS: [&str; 13] = [
    "ip",
    "kind",
    "method",
    "outcome",
    "processCmdLine",
    "processFullPath",
    "responseStatus",
    "run",
    "target",
    "time",
    "url",
    "userName",
    "wouldRefuse",
];

/// Columns that hold the time of a row.
const TIMES: [&str; 3] = ["TimeGenerated", "TimeStamp", "PreciseTimeStamp"];

/// The field for them.
pub(super) const TIME: &str = "timestamp";

/// Columns that hold a line of a file, or a message of one writer unless another column names it.
const LINES: [&str; 4] = ["Context1", "EventMessage", "RawData", "RenderedDescription"];

/// Columns that hold messages of many writers.
const MESSAGES: [&str; 2] = ["Message", "SyslogMessage"];

/// Columns that name who wrote a message.
const WRITERS: [&str; 4] = ["ProcessName", "ProviderName", "Source", "SyslogIdentifier"];

/// A column that the deployed agent's events have beside their message.
const EVENT: &str = "TaskName";

/// A column that names the machine, as an export holds the logs of many.
const MACHINE: &str = "Computer";

/// What a column holds.
pub(super) enum Column {
    Event,
    Field(&'static str),
    Machine,
    Line,
    Message,
    Other,
    Writer,
}

/// Returns what a column holds, by its name.
pub(super) fn column(name: &str) -> Column {
    let plain = ["_s", "_d", "_b", "_g", "_t"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix));
    let name = plain.unwrap_or(name).trim();
    let is_among = |names: &[&str]| names.iter().any(|own| own.eq_ignore_ascii_case(name));
    let known = NUMBERS.iter().chain(&STRUCTURES).chain(&TEXTS);
    match known.copied().find(|own| own.eq_ignore_ascii_case(name)) {
        Some(field) => Column::Field(field),
        None if is_among(&TIMES) => Column::Field(TIME),
        None if is_among(&LINES) => Column::Line,
        None if is_among(&MESSAGES) => Column::Message,
        None if is_among(&WRITERS) => Column::Writer,
        None if is_among(&[EVENT]) => Column::Event,
        None if is_among(&[MACHINE]) => Column::Machine,
        None => Column::Other,
    }
}

/// Returns a value as its field needs it; an empty cell is none.
pub(super) fn typed(name: &str, value: Value) -> Option<Value> {
    let is_text = TEXTS.contains(&name) || name == TIME;
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
