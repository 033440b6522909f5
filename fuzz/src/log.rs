//! Whole logs: every line is counted exactly once, and what is learned of them is a profile.

use latchkey_policy::RuleSet;
use latchkey_policy::learn::read::{Assembler, Line, TraceEvent, excerpt, read_line};
use latchkey_policy::learn::{Learned, Learner, Options, Sample, Source};

use super::line;

/// The most characters that are shown of a line that is not read, and what stands for the rest.
const MAX_EXCERPT: usize = 80 + 2;

/// A log is read line by line, whatever stands in it, and nothing of it is lost.
pub fn log_record(bytes: &[u8]) {
    for text in bytes.split(|byte| *byte == b'\n') {
        assert_read(text);
        line::audit_record(text);
        line::request_line(text);
        line::row(text);
    }
    assert_counted(bytes);
}

/// A line is the same with any line break, and the same when it borrows nothing.
fn assert_read(text: &[u8]) {
    let read = read_line(text);
    assert_eq!(read.clone().into_owned(), read);
    for line_break in [&b"\n"[..], b"\r\n"] {
        assert_eq!(read_line(&[text, line_break].concat()), read);
    }
    let shown = excerpt(text);
    assert!(shown.chars().count() <= MAX_EXCERPT, "{shown}");
    assert!(!shown.chars().any(char::is_control), "{shown}");
}

/// What became of the lines of a log.
#[derive(Default)]
struct Tally {
    samples: Vec<Sample<'static>>,
    /// Requests whose first part is there.
    begun: u64,
    /// Requests that were put together from parts.
    whole: u64,
    /// Records of requests that could have parts besides.
    recorded: u64,
}

impl Tally {
    fn take(&mut self, line: Line<'_>) {
        match line {
            Line::Sample(sample, id) => {
                if sample.source == Source::DeployedTrace {
                    self.whole += 1;
                } else if id.is_some() {
                    self.recorded += 1;
                }
                self.samples.push(sample.into_owned());
            }
            Line::Trace(part) => panic!("{part:?} stands for no line"),
            Line::Blank | Line::Caller(_) | Line::Duplicate | Line::Note | Line::Unread(_) => {}
        }
    }
}

fn assert_counted(bytes: &[u8]) {
    let mut assembler = Assembler::default();
    let mut tally = Tally::default();
    for text in bytes.split(|byte| *byte == b'\n') {
        let line = read_line(text);
        if let Line::Trace(part) = &line {
            tally.begun += u64::from(matches!(part.event, TraceEvent::Received { .. }));
        }
        tally.take(assembler.take(line));
    }
    let (whole, incomplete) = (tally.whole, assembler.incomplete());
    let told = tally.begun.checked_sub(whole + incomplete);
    assert!(
        told.is_some_and(|told| told <= tally.recorded),
        "{} requests were begun, {whole} are whole and {incomplete} are not",
        tally.begun
    );
    let learned = learn(&tally.samples, Options::default());
    let ids = learned.report.entries.into_iter().map(|entry| entry.id);
    let accepting = Options {
        accept: ids.collect(),
        ..Options::default()
    };
    let learned = learn(&tally.samples, accepting);
    assert!(
        learned.report.unknown_ids.is_empty(),
        "{:?}",
        learned.report
    );
}

/// Learns from samples: each is in a rule or in a list, and the rules are a profile.
fn learn(samples: &[Sample<'_>], options: Options) -> Learned {
    let mut learner = Learner::new(options);
    samples.iter().for_each(|sample| learner.push(sample));
    assert!(learner.held() <= Learner::held_at_most());
    let learned = learner.finish();
    let report = &learned.report;
    let entries = report.entries.iter().map(|entry| entry.evidence.count);
    let left = report.not_learned.iter().map(|left| left.evidence.count);
    let kept = entries.chain(left).sum::<u64>();
    let all = samples.iter().map(|sample| sample.count).sum::<u64>();
    let overflow = &report.overflow;
    assert_eq!(kept + overflow.requests + overflow.not_learned, all);
    assert_eq!(report.requests, all);
    for profile in &learned.profiles {
        let compiled = RuleSet::compile(&profile.item);
        assert!(compiled.is_ok(), "{compiled:?}");
    }
    learned
}
