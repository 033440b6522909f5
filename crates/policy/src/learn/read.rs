//! Reads one line of a log, whoever wrote it: total, without panics, borrowing from the line.
//!
//! Known are Latchkey's audit records, and the deployed agent's connection log (the record behind its
//! line header, and the lines of each request at level Trace), its events and its status summaries.
//! What is not read is named, so that it can be counted and shown.

use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use latchkey_protocol::{EndpointKind, EndpointTable, Mode};
use serde_json::{Map, Value};

use super::{CallerSample, Sample};

mod audit;
mod column;
mod deployed;
mod excerpt;
mod form;
mod header;
mod recent;
mod row;
mod told;
mod trace;
mod unread;

pub use excerpt::excerpt;
pub use form::Text;
pub use row::read_row;
pub use told::{RecordId, Told};
pub use trace::{Assembler, RequestId, Trace, TraceEvent};
pub use unread::Unread;

use form::AnyLine;

/// The longest line that is read, in bytes.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// How deep an event may hold a line that holds an event.
const MAX_DEPTH: usize = 3;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Nothing.
    Blank,
    /// A caller, without the request.
    Caller(CallerSample<'a>),
    /// A request that was counted by other lines already.
    Duplicate,
    /// Something that the deployed agent notes besides.
    Note,
    /// A request, with the id of its record.
    Sample(Box<Sample<'a>>, Option<RecordId>),
    /// A part of what is known of a request.
    Trace(Trace<'a>),
    /// It cannot be read, or not used.
    Unread(Unread),
}

impl Line<'_> {
    /// Returns the same, borrowing nothing.
    #[must_use]
    pub fn into_owned<'b>(self) -> Line<'b> {
        match self {
            Self::Blank => Line::Blank,
            Self::Caller(caller) => Line::Caller(caller.into_owned()),
            Self::Duplicate => Line::Duplicate,
            Self::Note => Line::Note,
            Self::Sample(sample, id) => Line::Sample(Box::new(sample.into_owned()), id),
            Self::Trace(trace) => Line::Trace(trace.into_owned()),
            Self::Unread(why) => Line::Unread(why),
        }
    }
}

/// Reads one line, with or without its line break, that says one thing.
#[must_use]
pub fn read_line(line: &[u8]) -> Line<'_> {
    let mut records = read_records(line);
    let first = records.next().unwrap_or(Line::Blank);
    match records.next() {
        None => first,
        Some(_) => Line::Unread(Unread::MoreFollows),
    }
}

/// Reads one line, with or without its line break; it holds several records if line breaks were lost.
#[must_use]
pub fn read_records(line: &[u8]) -> Records<'_> {
    if line.len() > MAX_LINE_BYTES {
        return Records(Some(Err(Unread::TooLong)));
    }
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let text = std::str::from_utf8(line).map(str::trim);
    Records(Some(text.map_err(|_error| Unread::NotUtf8)))
}

/// What one line says: one thing at least.
#[derive(Clone, Debug)]
pub struct Records<'a>(Option<Result<&'a str, Unread>>);

impl<'a> Iterator for Records<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let text = match self.0.take()? {
            Ok(text) => text,
            Err(why) => return Some(Line::Unread(why)),
        };
        if !text.starts_with('{') {
            return Some(read_text(text, MAX_DEPTH));
        }
        let (line, rest) = read_object(text, None, None, MAX_DEPTH);
        if rest.starts_with('{') {
            self.0 = Some(Ok(rest));
            return Some(line);
        }
        Some(alone(line, rest))
    }
}

/// Reads a text that says one thing.
fn read_text(text: &str, depth: usize) -> Line<'_> {
    if text.is_empty() {
        return Line::Blank;
    }
    if text.starts_with('{') {
        let (line, rest) = read_object(text, None, None, depth);
        return alone(line, rest);
    }
    match header::system(text) {
        Some((time, message)) => read_message(message, time, depth),
        None => read_message(text, None, depth),
    }
}

/// Reads what the deployed agent wrote, with or without its header.
fn read_message(text: &str, system_time: Option<Timestamp>, depth: usize) -> Line<'_> {
    let headed = header::own(text);
    let (own_time, rest) = headed.map_or((None, text), |(time, rest)| (Some(time), rest));
    let time = own_time.or(system_time);
    let (request, message) = trace::request_id(rest);
    if message.starts_with('{') {
        let (line, rest) = read_object(message, time, request, depth);
        return alone(line, rest);
    }
    if let Some(request) = request {
        return TraceEvent::read(message).map_or(Line::Note, |event| {
            Line::Trace(Trace {
                request,
                time,
                event,
            })
        });
    }
    // SECURITY: what looks like a record within a text is whoever's the text is.
    if time.is_some() && !text.contains('{') {
        Line::Note
    } else {
        Line::Unread(Unread::NoRecord)
    }
}

/// Refuses a record that something follows: then another wrote the line, and the record in it.
fn alone<'a>(line: Line<'a>, rest: &str) -> Line<'a> {
    if rest.is_empty() {
        line
    } else {
        Line::Unread(Unread::MoreFollows)
    }
}

/// Reads an object, and returns what follows it.
fn read_object(
    text: &str,
    time: Option<Timestamp>,
    request: Option<RequestId>,
    depth: usize,
) -> (Line<'_>, &str) {
    let mut records = serde_json::Deserializer::from_str(text).into_iter::<AnyLine<'_>>();
    if let Some(Ok(record)) = records.next()
        && let Some(line) = read_record(record, time, request)
    {
        return (line, after(text, records.byte_offset()));
    }
    // The agent's events, and rows of exports that stand in a line each.
    let mut rows = serde_json::Deserializer::from_str(text).into_iter::<Map<String, Value>>();
    match rows.next() {
        Some(Ok(row)) => {
            let line = row::read_columns(row, time, depth);
            (line, after(text, rows.byte_offset()))
        }
        Some(Err(_)) | None => (Line::Unread(Unread::BrokenJson), ""),
    }
}

fn after(text: &str, end: usize) -> &str {
    text.get(end..).unwrap_or_default().trim_start()
}

/// Reads a record of a known form.
fn read_record<'a>(
    line: AnyLine<'a>,
    time: Option<Timestamp>,
    request: Option<RequestId>,
) -> Option<Line<'a>> {
    let time = time.or_else(|| line.any_time());
    if line.outcome.is_some() {
        return Some(audit::read(line));
    }
    if line.url.is_some() {
        return Some(deployed::record(line, time, request));
    }
    line.process_full_path.as_ref()?;
    Some(match (request, line.response_status.is_some()) {
        (Some(request), false) => Line::Trace(Trace {
            request,
            time,
            event: TraceEvent::Claims(Box::new(deployed::claims(&line))),
        }),
        _ => deployed::summary(line),
    })
}

/// Reads a time; one without a zone is UTC, as the deployed agent writes it.
fn read_time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let civil: DateTime = text.parse().ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

/// Returns the endpoint at an address and port.
fn endpoint(ip: &str, port: u16) -> Option<EndpointKind> {
    let address: IpAddr = ip.parse().ok()?;
    let table = EndpointTable::azure(Mode::Audit);
    let (_, endpoint) = table.find(SocketAddr::new(address, port))?;
    Some(endpoint.kind)
}

/// Returns the number at the beginning of `200 OK`.
fn status(text: &str) -> Option<u16> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests;
