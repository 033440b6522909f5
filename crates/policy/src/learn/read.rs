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

use super::{CallerSample, Sample};

mod audit;
mod deployed;
mod excerpt;
mod form;
mod recent;
mod row;
mod trace;

pub use excerpt::excerpt;
pub use form::Text;
pub use row::read_row;
pub use trace::{Assembler, RequestId, Trace, TraceEvent};

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
    /// A request; with its id if it stands in a connection log.
    Sample(Box<Sample<'a>>, Option<RequestId>),
    /// A part of what is known of a request.
    Trace(Trace<'a>),
    /// It cannot be read, or not used.
    Unread(Unread),
}

/// Why a line is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unread {
    /// JSON that breaks off or holds another type than expected.
    BrokenJson,
    /// A record lacks the method, target, caller or time.
    Incomplete,
    /// There is no record in it.
    NoRecord,
    /// It is not UTF-8.
    NotUtf8,
    /// It is longer than [`MAX_LINE_BYTES`].
    TooLong,
    /// The request went to no endpoint that is known.
    UnknownEndpoint,
    /// JSON of another kind.
    UnknownForm,
    /// An audit record of another version.
    UnknownVersion,
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

impl Unread {
    /// Returns what it says in a few words.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::BrokenJson => "JSON that breaks off or has other types",
            Self::Incomplete => "a record without method, target or caller",
            Self::NoRecord => "no record in it",
            Self::NotUtf8 => "not UTF-8",
            Self::TooLong => "longer than 1 MiB",
            Self::UnknownEndpoint => "a request to no known endpoint",
            Self::UnknownForm => "JSON of another kind",
            Self::UnknownVersion => "an audit record of another version",
        }
    }
}

/// Reads one line, with or without its line break.
#[must_use]
pub fn read_line(line: &[u8]) -> Line<'_> {
    if line.len() > MAX_LINE_BYTES {
        return Line::Unread(Unread::TooLong);
    }
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok(text) => read_text(text.trim(), MAX_DEPTH),
        Err(_) => Line::Unread(Unread::NotUtf8),
    }
}

fn read_text(text: &str, depth: usize) -> Line<'_> {
    if text.is_empty() {
        return Line::Blank;
    }
    if text.starts_with('{') {
        return read_object(text, None, None, depth);
    }
    let (time, rest) = header(text);
    let (request, message) = trace::request_id(rest);
    if message.starts_with('{') {
        return read_object(message, time, request, depth);
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
    match text.split_once('{').map(|(before, _)| before.len()) {
        // A record behind a header that is not known, such as syslog's.
        Some(start) => match text.get(start..) {
            Some(object) => read_object(object, time, None, depth),
            None => Line::Unread(Unread::NoRecord),
        },
        None if time.is_some() => Line::Note,
        None => Line::Unread(Unread::NoRecord),
    }
}

fn read_object(
    text: &str,
    time: Option<Timestamp>,
    request: Option<RequestId>,
    depth: usize,
) -> Line<'_> {
    // What stands behind the object is another writer's, not a part of it.
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<AnyLine<'_>>();
    let Some(Ok(line)) = stream.next() else {
        return Line::Unread(Unread::BrokenJson);
    };
    let time = time.or_else(|| line.any_time());
    if line.outcome.is_some() {
        return audit::read(line);
    }
    if line.url.is_some() {
        return deployed::record(line, time, request);
    }
    if line.process_full_path.is_some() {
        return match (request, line.response_status.is_some()) {
            (Some(request), false) => Line::Trace(Trace {
                request,
                time,
                event: TraceEvent::Claims(Box::new(deployed::claims(&line))),
            }),
            _ => deployed::summary(line),
        };
    }
    match line.message {
        Some(Text(message)) if depth > 0 => nested(&message, time, depth),
        _ => Line::Unread(Unread::UnknownForm),
    }
}

/// Reads the message of an event, which is a line itself.
fn nested<'a>(message: &str, time: Option<Timestamp>, depth: usize) -> Line<'a> {
    match read_text(message.trim(), depth - 1).into_owned() {
        Line::Sample(mut sample, id) => {
            sample.time = sample.time.or(time);
            Line::Sample(sample, id)
        }
        Line::Blank | Line::Unread(Unread::NoRecord) => Line::Note,
        other => other,
    }
}

/// Splits the deployed agent's line header off: the time, and the level in brackets.
fn header(text: &str) -> (Option<Timestamp>, &str) {
    let Some((time, rest)) = text.split_once(' ') else {
        return (None, text);
    };
    let Some(time) = read_time(time) else {
        return (None, text);
    };
    let rest = rest.trim_start();
    let level = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    (
        Some(time),
        level.map_or(rest, |(_, rest)| rest.trim_start()),
    )
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
