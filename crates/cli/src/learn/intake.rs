//! Where lines of all inputs come together: filtered, counted, and learned from.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use latchkey_policy::learn::read::{
    Assembler, Line, Told, Unread, excerpt, read_records, read_row,
};
use latchkey_policy::learn::{Learned, Learner, Options, Sample};
use latchkey_protocol::EndpointKind;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// How many examples are kept of each kind of unread line.
const MAX_EXAMPLES: usize = 3;

/// Which requests are learned from.
#[derive(Debug)]
pub(crate) struct Filter {
    /// These alone; all if there are none.
    pub(crate) endpoints: Vec<EndpointKind>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

impl Filter {
    fn keeps_endpoint(&self, endpoint: EndpointKind) -> bool {
        self.endpoints.is_empty() || self.endpoints.contains(&endpoint)
    }

    fn keeps(&self, sample: &Sample<'_>) -> bool {
        // What has no time lies outside every span.
        let is_since = self
            .since
            .is_none_or(|since| sample.time.is_some_and(|time| time >= since));
        let is_until = self
            .until
            .is_none_or(|until| sample.time.is_some_and(|time| time < until));
        is_since && is_until && self.keeps_endpoint(sample.endpoint)
    }
}

/// What was read, by what became of it.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Read {
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) lines: u64,
    pub(crate) requests: u64,
    pub(crate) callers: u64,
    /// Requests that were in the input twice.
    pub(crate) duplicates: u64,
    /// Requests noted in parts, of which some are missing.
    pub(crate) incomplete: u64,
    /// Requests outside the endpoints and times that were asked for.
    pub(crate) outside: u64,
    pub(crate) notes: u64,
    pub(crate) blank: u64,
    pub(crate) unread: Vec<UnreadLines>,
    /// Files that were not read to their end.
    pub(crate) broken_off: Vec<String>,
}

/// Lines that were not read, of one kind.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UnreadLines {
    pub(crate) why: &'static str,
    pub(crate) count: u64,
    pub(crate) examples: Vec<String>,
}

/// Takes lines and rows.
#[derive(Debug)]
pub(crate) struct Intake {
    learner: Learner,
    /// Of one file: ids mean another request in the next.
    assembler: Assembler,
    told: Told,
    filter: Filter,
    read: Read,
    unread: BTreeMap<Unread, UnreadLines>,
    /// What is being read, for examples.
    name: String,
    pub(crate) line: u64,
}

impl Intake {
    pub(crate) fn new(options: Options, filter: Filter) -> Self {
        Self {
            learner: Learner::new(options),
            assembler: Assembler::default(),
            told: Told::default(),
            filter,
            read: Read::default(),
            unread: BTreeMap::new(),
            name: String::new(),
            line: 0,
        }
    }

    /// Begins a file.
    pub(crate) fn begin(&mut self, name: &str) {
        name.clone_into(&mut self.name);
        self.line = 0;
    }

    /// Ends a file of so many bytes, which may have broken off.
    pub(crate) fn end(&mut self, bytes: u64, is_whole: bool) {
        self.read.bytes += bytes;
        self.read.incomplete += std::mem::take(&mut self.assembler).incomplete();
        if !is_whole {
            self.read.broken_off.push(self.name.clone());
        }
    }

    /// Takes a line.
    pub(crate) fn line(&mut self, line: &[u8]) {
        self.line += 1;
        for record in read_records(line) {
            self.record(record, line);
        }
    }

    /// Takes a row of an export.
    pub(crate) fn row(&mut self, row: Map<String, Value>) {
        self.line += 1;
        let shown = row.keys().cloned().collect::<Vec<_>>().join(" ");
        self.record(read_row(row), shown.as_bytes());
    }

    fn record(&mut self, record: Line<'_>, shown: &[u8]) {
        let whole = self.assembler.take(record);
        let told = self.told.take(whole);
        self.take(told, shown);
    }

    /// Counts a part of the input that cannot be read.
    pub(crate) fn unread(&mut self, why: Unread, shown: &[u8]) {
        self.line += 1;
        self.take(Line::Unread(why), shown);
    }

    fn take(&mut self, line: Line<'_>, shown: &[u8]) {
        self.read.lines += 1;
        match line {
            Line::Blank => self.read.blank += 1,
            Line::Caller(caller) if self.filter.keeps_endpoint(caller.endpoint) => {
                self.read.callers += 1;
                self.learner.push_caller(&caller);
            }
            Line::Caller(_) => self.read.outside += 1,
            Line::Duplicate => self.read.duplicates += 1,
            Line::Note | Line::Trace(_) => self.read.notes += 1,
            Line::Sample(sample, _) if self.filter.keeps(&sample) => {
                self.read.requests += 1;
                self.learner.push(&sample);
            }
            Line::Sample(..) => self.read.outside += 1,
            Line::Unread(why) => self.count_unread(why, shown),
        }
    }

    fn count_unread(&mut self, why: Unread, shown: &[u8]) {
        let lines = self.unread.entry(why).or_insert_with(|| UnreadLines {
            why: why.says(),
            count: 0,
            examples: Vec::new(),
        });
        lines.count += 1;
        if lines.examples.len() < MAX_EXAMPLES {
            let place = format!("{}:{}: {}", self.name, self.line, excerpt(shown));
            lines.examples.push(place);
        }
    }

    /// Notes how long reading took.
    pub(crate) fn measured(&mut self, time: Duration) {
        self.read.seconds = time.as_secs_f64();
    }

    pub(crate) fn finish(mut self) -> (Learned, Read) {
        self.read.unread = self.unread.into_values().collect();
        (self.learner.finish(), self.read)
    }
}
