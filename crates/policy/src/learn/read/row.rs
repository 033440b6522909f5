//! Reads one row of an export of logs: a record whose fields are columns, or a column that holds a line.
//!
//! The deployed agent's events have the form of a row too.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::column::{Column, TIME, column, typed};
use super::form::AnyLine;
use super::{Line, MAX_DEPTH, RecordId, Unread, read_record, read_text, read_time};

/// How the deployed agent is named as a writer.
const AGENTS: [&str; 3] = ["azure-proxy-agent", "GuestProxyAgent", "ProxyAgent"];

/// A row by what its columns hold.
#[derive(Default)]
struct Row {
    record: Map<String, Value>,
    lines: Vec<String>,
    messages: Vec<String>,
    machine: Option<u64>,
    is_event: bool,
    /// Whether every writer that is named is the agent.
    is_agents: Option<bool>,
}

/// Reads one row by the names of its columns.
#[must_use]
pub fn read_row(row: Map<String, Value>) -> Line<'static> {
    read_columns(row, None, MAX_DEPTH)
}

/// Reads a row that may stand in a line of a log itself.
pub(super) fn read_columns(
    row: Map<String, Value>,
    time: Option<Timestamp>,
    depth: usize,
) -> Line<'static> {
    let row = Row::of(row);
    let time = time.or_else(|| row.time());
    let is_record = ["url", "target", "processFullPath"]
        .iter()
        .any(|name| row.record.contains_key(*name));
    if is_record {
        return read_fields(row.record, time);
    }
    let machine = row.machine;
    let line = match row.trusted() {
        Err(why) => Line::Unread(why),
        Ok(texts) => read_texts(&texts, time, depth),
    };
    match machine {
        None => line,
        Some(machine) => on(line, machine),
    }
}

impl Row {
    fn of(row: Map<String, Value>) -> Self {
        let mut own = Self::default();
        for (name, value) in row {
            own.add(&name, value);
        }
        own
    }

    fn add(&mut self, name: &str, value: Value) {
        match (column(name), value) {
            (Column::Field(name), value) => {
                if let Some(value) = typed(name, value) {
                    self.record.insert(name.to_owned(), value);
                }
            }
            (Column::Event, _) => self.is_event = true,
            (Column::Machine, name) => self.machine = name.as_str().map(number_of),
            (Column::Line, Value::String(text)) => self.lines.push(text),
            (Column::Message, Value::String(text)) => self.messages.push(text),
            (Column::Writer, writer) => {
                let is_agent = writer.as_str().is_some_and(is_agent);
                self.is_agents = Some(is_agent && self.is_agents.unwrap_or(true));
            }
            (Column::Line | Column::Message | Column::Other, _) => {}
        }
    }

    fn time(&self) -> Option<Timestamp> {
        let times = ["time", TIME]
            .iter()
            .filter_map(|name| self.record.get(*name));
        times.filter_map(Value::as_str).find_map(read_time)
    }

    /// Returns the texts that the agent wrote.
    ///
    /// SECURITY: whoever writes to the same log as the agent, such as all who can try to log in, could
    /// otherwise write a rule for itself.
    fn trusted(self) -> Result<Vec<String>, Unread> {
        if self.lines.is_empty() && self.messages.is_empty() {
            return Err(Unread::UnknownForm);
        }
        match self.is_agents {
            Some(true) => Ok([self.lines, self.messages].concat()),
            None if self.is_event => Ok([self.lines, self.messages].concat()),
            None if !self.lines.is_empty() => Ok(self.lines),
            Some(false) | None => Err(Unread::UnknownWriter),
        }
    }
}

/// Returns a number that stands for a name.
pub(super) fn number_of(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// Tells the requests of a machine from those of others: all count their requests from 0.
fn on(line: Line<'_>, machine: u64) -> Line<'_> {
    match line {
        Line::Sample(sample, Some(RecordId::Request((http, tcp)))) => {
            Line::Sample(sample, Some(RecordId::Request((http, tcp ^ machine))))
        }
        Line::Trace(mut trace) => {
            trace.request.1 ^= machine;
            Line::Trace(trace)
        }
        line => line,
    }
}

fn is_agent(writer: &str) -> bool {
    AGENTS.iter().any(|own| own.eq_ignore_ascii_case(writer))
}

/// Reads the first text that says something, at the time of its row.
fn read_texts(texts: &[String], time: Option<Timestamp>, depth: usize) -> Line<'static> {
    let Some(depth) = depth.checked_sub(1) else {
        return Line::Unread(Unread::UnknownForm);
    };
    let lines = texts.iter().map(|text| read_text(text.trim(), depth));
    let useful = lines.into_iter().find(|line| !is_note(line));
    match useful.map(Line::into_owned) {
        Some(Line::Sample(mut sample, id)) => {
            sample.time = sample.time.or(time);
            Line::Sample(sample, id)
        }
        Some(line) => line,
        // The agent says other things too.
        None => Line::Note,
    }
}

fn is_note(line: &Line<'_>) -> bool {
    matches!(
        line,
        Line::Blank | Line::Note | Line::Unread(Unread::NoRecord)
    )
}

fn read_fields(record: Map<String, Value>, time: Option<Timestamp>) -> Line<'static> {
    let text = Value::Object(record).to_string();
    match serde_json::from_str::<AnyLine<'_>>(&text) {
        Err(_) => Line::Unread(Unread::BrokenJson),
        Ok(record) => read_record(record, time, None)
            .map_or(Line::Unread(Unread::UnknownForm), Line::into_owned),
    }
}
