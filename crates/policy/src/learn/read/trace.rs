//! Requests from the deployed agent's lines at level Trace, which it writes for every request: what
//! its records, written once in 15 minutes, leave out.
//!
//! The parts of a request have its id in common. A request that is whole is counted when its status is
//! there; the record of the same request, if one follows, is no second one.

use std::borrow::Cow;

use jiff::Timestamp;
use latchkey_protocol::EndpointKind;

use super::recent::Recent;
use super::{Line, RecordId, endpoint, status};
use crate::learn::{CallerSeen, Sample, Script, Source, Verdict};

/// The largest part of a request that is kept, in bytes: many requests can be open at once.
const MAX_PART_BYTES: usize = 16 * 1024;

/// A request's id: its number, and that of its connection.
pub type RequestId = (u64, u64);

/// A part of what is known of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace<'a> {
    /// The request.
    pub request: RequestId,
    /// When it was noted.
    pub time: Option<Timestamp>,
    /// What was noted.
    pub event: TraceEvent<'a>,
}

/// What is noted of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceEvent<'a> {
    /// Who asks.
    Claims(Box<CallerSeen<'a>>),
    /// Where it goes.
    Destination(Option<EndpointKind>),
    /// What was answered.
    Finished(Option<u16>),
    /// What is asked for.
    Received {
        /// The method.
        method: Cow<'a, str>,
        /// The target.
        target: Cow<'a, str>,
    },
}

impl<'a> TraceEvent<'a> {
    /// Reads the text behind the id.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("Got request from ") {
            let (_, request) = rest.split_once(" for ")?;
            let (method, target) = request.split_once(' ')?;
            return Some(Self::Received {
                method: method.into(),
                target: target.into(),
            });
        }
        if let Some(rest) = text.strip_prefix("Use lookup value:") {
            let (ip, port) = rest.trim_end_matches('.').rsplit_once(':')?;
            let port = port.parse().ok();
            return Some(Self::Destination(port.and_then(|port| endpoint(ip, port))));
        }
        let rest = text.strip_prefix("Http connection finished with status code: ")?;
        Some(Self::Finished(status(rest)))
    }

    /// Returns how many bytes would be kept.
    fn len(&self) -> usize {
        match self {
            Self::Claims(caller) => {
                let script = caller.script.as_ref().map(|script| match script {
                    Script::Executed(path) | Script::Guessed(path) => path,
                });
                let texts = [caller.user.as_ref(), caller.executable.as_ref(), script];
                texts.into_iter().flatten().map(|text| text.len()).sum()
            }
            Self::Destination(_) | Self::Finished(_) => 0,
            Self::Received { method, target } => method.len() + target.len(),
        }
    }

    fn into_owned<'b>(self) -> TraceEvent<'b> {
        match self {
            Self::Claims(caller) => TraceEvent::Claims(Box::new(caller.into_owned())),
            Self::Destination(endpoint) => TraceEvent::Destination(endpoint),
            Self::Finished(status) => TraceEvent::Finished(status),
            Self::Received { method, target } => TraceEvent::Received {
                method: method.into_owned().into(),
                target: target.into_owned().into(),
            },
        }
    }
}

impl Trace<'_> {
    /// Returns the same, borrowing nothing.
    #[must_use]
    pub fn into_owned<'b>(self) -> Trace<'b> {
        Trace {
            request: self.request,
            time: self.time,
            event: self.event.into_owned(),
        }
    }
}

/// Splits `12[7] - text` into the id and the text.
pub(super) fn request_id(text: &str) -> (Option<RequestId>, &str) {
    let Some((id, rest)) = text.split_once(" - ") else {
        return (None, text);
    };
    let numbers = id.strip_suffix(']').and_then(|id| id.split_once('['));
    let numbers = numbers.and_then(|(http, tcp)| Some((http.parse().ok()?, tcp.parse().ok()?)));
    match numbers {
        Some(numbers) => (Some(numbers), rest),
        None => (None, text),
    }
}

/// What is known of a request so far.
#[derive(Debug, Default)]
struct Open {
    time: Option<Timestamp>,
    request: Option<(String, String)>,
    endpoint: Option<EndpointKind>,
    caller: Option<CallerSeen<'static>>,
}

/// Puts requests together from their parts. Each request that begins is told once: when it is whole, by
/// its record, or among those that never became whole.
#[derive(Debug, Default)]
pub struct Assembler {
    /// Parts are still coming.
    open: Recent<Open>,
    /// The status is there, other parts are not; a record may tell them yet.
    partial: Recent<()>,
    counted: Recent<()>,
    lost: u64,
}

impl Assembler {
    /// Turns the parts of a request into the request once it is whole, and records of requests that
    /// were counted into duplicates; other lines stay as they are.
    pub fn take<'a>(&mut self, line: Line<'a>) -> Line<'a> {
        match line {
            Line::Trace(trace) => self.add(trace),
            Line::Sample(_, Some(RecordId::Request(id))) if self.counted.contains(id) => {
                Line::Duplicate
            }
            Line::Sample(_, Some(RecordId::Request(id))) => {
                // The record tells all of it; what comes later of its parts adds nothing.
                self.open.remove(id);
                self.partial.remove(id);
                line
            }
            Line::Blank
            | Line::Caller(_)
            | Line::Duplicate
            | Line::Note
            | Line::Sample(_, Some(RecordId::Audit { .. }) | None)
            | Line::Unread(_) => line,
        }
    }

    /// Returns how many requests were noted in parts that never became whole.
    #[must_use]
    pub fn incomplete(&self) -> u64 {
        let kept = self.open.len().saturating_add(self.partial.len());
        let kept = u64::try_from(kept).unwrap_or(u64::MAX);
        self.lost.saturating_add(kept)
    }

    fn add<'a>(&mut self, trace: Trace<'_>) -> Line<'a> {
        let Trace {
            request,
            time,
            event,
        } = trace;
        if matches!(event, TraceEvent::Received { .. }) {
            self.begin(request);
        }
        let Some(open) = self.open.get_mut(request) else {
            return Line::Note;
        };
        open.time = open.time.or(time);
        if event.len() > MAX_PART_BYTES {
            return Line::Note;
        }
        match event {
            TraceEvent::Received { method, target } => {
                open.request = Some((method.into_owned(), target.into_owned()));
            }
            TraceEvent::Destination(endpoint) => open.endpoint = endpoint,
            TraceEvent::Claims(caller) => open.caller = Some(caller.into_owned()),
            TraceEvent::Finished(status) => return self.finish(request, status),
        }
        Line::Note
    }

    fn begin(&mut self, id: RequestId) {
        // The agent counts anew at each start, so this is another request than the one before.
        self.counted.remove(id);
        let gone = self.partial.remove(id);
        self.lose(gone.as_ref());
        let gone = self.open.insert(id, Open::default());
        self.lose(gone.as_ref());
    }

    fn finish<'a>(&mut self, id: RequestId, status: Option<u16>) -> Line<'a> {
        let Some(open) = self.open.remove(id) else {
            return Line::Note;
        };
        let (Some((method, target)), Some(endpoint), Some(caller)) =
            (open.request, open.endpoint, open.caller)
        else {
            let gone = self.partial.insert(id, ());
            self.lose(gone.as_ref());
            return Line::Note;
        };
        self.counted.insert(id, ());
        let sample = Sample {
            time: open.time,
            endpoint,
            method: method.into(),
            target: target.into(),
            caller,
            verdict: Verdict::Forwarded,
            status,
            count: 1,
            source: Source::DeployedTrace,
        };
        Line::Sample(Box::new(sample), Some(RecordId::Request(id)))
    }

    /// Counts a request of which nothing more can be told.
    fn lose<T>(&mut self, gone: Option<&T>) {
        if gone.is_some() {
            self.lost = self.lost.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests;
