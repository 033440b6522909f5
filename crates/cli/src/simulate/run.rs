//! One simulation from the first line to the last: read, judge, write or count.

use std::error::Error;
use std::io::{self, BufWriter, Stdout, Write as _};
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use jiff::Timestamp;
use latchkey_agent::failure::with_causes;
use latchkey_policy::EndpointPolicy;
use latchkey_policy::case::{self, Answer, CaseError, RequestLine, Verdict};
use latchkey_policy::simulate::{
    self, Change, Judged, Profiles, Question, Recorded, Simulator, Tally,
};
use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::{EndpointKind, Reason};
use latchkey_record::AuditRecord;
use serde_json::Value;

use super::answer::AnswerLine;
use super::pace::Pace;
use super::requests::{self, Kind, Line};
use super::source::{Place, Source, SourceError};
use super::{Simulate, summary};
use crate::arguments::Format;
use crate::document;
use crate::exit::Exit;
use crate::input::MAX_LINE_BYTES;
use crate::problem;
use crate::terminal;
use crate::visible::visible_json;

/// Everything that one simulation keeps.
pub(super) struct Run {
    simulator: Simulator,
    has_candidate: bool,
    has_current: bool,
    /// The last profile that a line brought: neighbours often bring the same.
    brought: Option<(EndpointKind, AuthorizationItem, EndpointPolicy)>,
    now: Timestamp,
    fail_on: Vec<Change>,
    format: Format,
    output: BufWriter<Stdout>,
    tally: Tally,
    problems: summary::Problems,
    pace: Pace,
    /// How many requests were put to the profiles, or to none, and have no verdict.
    unjudged: u64,
    /// How many requests were judged by no profile.
    without_profile: u64,
}

/// Why a line has no verdict.
struct Unjudged {
    id: Option<Value>,
    reason: Option<Reason>,
    problem: String,
}

impl Unjudged {
    fn of(id: Option<Value>, error: &dyn Error) -> Self {
        let problem = with_causes(error);
        Self {
            id,
            reason: None,
            problem,
        }
    }

    fn case(id: Option<Value>, error: &CaseError) -> Self {
        Self {
            reason: error.reason(),
            ..Self::of(id, error)
        }
    }
}

impl Run {
    pub(super) fn new(
        candidate: Option<Profiles>,
        current: Option<Profiles>,
        arguments: &Simulate,
    ) -> Self {
        Self {
            has_candidate: candidate.is_some(),
            has_current: current.is_some(),
            simulator: Simulator::new(candidate.unwrap_or_default(), current.unwrap_or_default()),
            brought: None,
            now: arguments.now.unwrap_or_else(Timestamp::now),
            fail_on: arguments
                .fail_on
                .iter()
                .copied()
                .map(Change::from)
                .collect(),
            format: arguments.format,
            output: BufWriter::with_capacity(64 * 1024, io::stdout()),
            tally: Tally::default(),
            problems: summary::Problems::default(),
            pace: Pace::new(),
            unjudged: 0,
            without_profile: 0,
        }
    }

    /// Judges all requests of the files.
    pub(super) fn all(&mut self, files: &[PathBuf], bar: &ProgressBar) -> Result<(), Exit> {
        files.iter().try_for_each(|file| self.file(file, bar))
    }

    fn file(&mut self, file: &Path, bar: &ProgressBar) -> Result<(), Exit> {
        let format = self.format;
        let failed = |error: SourceError| failed(file, error, format);
        let mut source = Source::open(file, bar).map_err(|error| failed(error.into()))?;
        let mut text = Vec::new();
        let mut kind = Kind::Record;
        while let Some(place) = source.next(&mut text).map_err(failed)? {
            self.pace.read(text.len() + 1);
            self.line(place, &text, &mut kind)?;
        }
        Ok(())
    }

    fn line(&mut self, place: Place, text: &[u8], kind: &mut Kind) -> Result<(), Exit> {
        let line = if place.is_whole {
            requests::read(text, kind)
        } else {
            Line::Unreadable(
                None,
                format!("the line is longer than {MAX_LINE_BYTES} bytes"),
            )
        };
        let is_case = self.is_case(&line);
        let judged = match line {
            Line::Record(record) => self.record(*record),
            Line::Request(request) => self.request(&request),
            Line::Unreadable(id, problem) => Err(Unjudged {
                id,
                reason: None,
                problem,
            }),
        };
        let answer = judged.unwrap_or_else(|unjudged| {
            self.unjudged += u64::from(!is_case);
            self.tally.add_error();
            self.problems.add(&unjudged.problem);
            let id = unjudged.id.unwrap_or_default();
            AnswerLine::error(id, unjudged.reason, unjudged.problem)
        });
        self.write(&answer.at(place.number))
    }

    /// Returns whether no profile of the command line could have judged a line otherwise.
    fn is_case(&self, line: &Line) -> bool {
        match line {
            // A malformed request is refused whatever the rules say.
            Line::Record(record) => self.has_candidate && record.target.is_none(),
            // It asks about itself alone: that it cannot be judged is the answer.
            Line::Request(request) => {
                request.brings_profile() || !(self.has_candidate || self.has_current)
            }
            Line::Unreadable(..) => false,
        }
    }

    fn record(&mut self, record: AuditRecord) -> Result<AnswerLine, Unjudged> {
        let id = Value::from(format!("{}-{}", record.run, record.sequence));
        if !self.has_candidate {
            let problem = "a record brings no profile: give --profile".to_owned();
            return Err(Unjudged {
                id: Some(id),
                reason: None,
                problem,
            });
        }
        let recorded =
            Recorded::try_from(record).map_err(|error| Unjudged::of(Some(id.clone()), &error))?;
        let (question, time) = (recorded.question, recorded.time);
        self.judge(id, &question, time, recorded.verdict)
    }

    fn request(&mut self, line: &RequestLine) -> Result<AnswerLine, Unjudged> {
        let id = line.id.clone().unwrap_or_default();
        let case = |error: &CaseError| Unjudged::case(Some(id.clone()), error);
        let endpoint = line.endpoint().map_err(|error| case(&error))?;
        let question = Question {
            endpoint: endpoint.kind,
            method: line.method.clone(),
            target: line.target_bytes().map_err(|error| case(&error))?,
            caller: line.caller().map_err(|error| case(&error))?,
            objection: None,
        };
        let time = line.time.unwrap_or(self.now);
        let item = line.item().map_err(|error| case(&error))?;
        if item.is_none() && self.has_candidate {
            return self.judge(id, &question, time, None);
        }
        self.without_profile += u64::from(item.is_none());
        let policy = self
            .policy(&endpoint, item)
            .map_err(|error| case(&error.into()))?;
        let answer = self
            .pace
            .judge(1, || simulate::answer(&question, &endpoint, &policy, time));
        let judged = self.simulator.judge(&question, time);
        Ok(self.count(id, &question, &judged, &answer, None))
    }

    /// Compiles the profile that a line brings, or returns that of the line before.
    fn policy(
        &mut self,
        endpoint: &latchkey_protocol::Endpoint,
        item: Option<AuthorizationItem>,
    ) -> Result<EndpointPolicy, latchkey_policy::InvalidProfile> {
        let Some(item) = item else {
            return case::policy(endpoint, None);
        };
        match &self.brought {
            Some((kind, known, policy)) if *kind == endpoint.kind && *known == item => {
                Ok(policy.clone())
            }
            _ => {
                let policy = case::policy(endpoint, Some(&item))?;
                self.brought = Some((endpoint.kind, item, policy.clone()));
                Ok(policy)
            }
        }
    }

    /// Puts a question to the profiles.
    fn judge(
        &mut self,
        id: Value,
        question: &Question,
        time: Timestamp,
        recorded: Option<Verdict>,
    ) -> Result<AnswerLine, Unjudged> {
        let decisions = 1 + usize::from(self.has_current);
        let simulator = &mut self.simulator;
        let judged = self
            .pace
            .judge(decisions, || simulator.judge(question, time));
        let Some(answer) = &judged.candidate else {
            let problem = format!(
                "no profile is given for the endpoint `{}`",
                question.endpoint
            );
            return Err(Unjudged {
                id: Some(id),
                reason: None,
                problem,
            });
        };
        Ok(self.count(id, question, &judged, answer, recorded))
    }

    /// Counts an answer beside what is in force now, or else what was recorded.
    fn count(
        &mut self,
        id: Value,
        question: &Question,
        judged: &Judged,
        answer: &Answer,
        recorded: Option<Verdict>,
    ) -> AnswerLine {
        let current = judged.current.as_ref().map(|current| current.verdict);
        let before = if self.has_current { current } else { recorded };
        let who = (question.endpoint, &*judged.caller);
        self.tally.add(who, answer, before, || example(question));
        AnswerLine::judged(id, answer, before)
    }

    fn write(&mut self, answer: &AnswerLine) -> Result<(), Exit> {
        if self.format == Format::Text {
            return Ok(());
        }
        let written = serde_json::to_string(answer)
            .map_err(io::Error::from)
            .and_then(|json| writeln!(self.output, "{}", visible_json(&json)));
        match written {
            Ok(()) => Ok(()),
            // A reader that went away has seen enough.
            Err(error) => Err(terminal::printed(Err(error), Exit::Success)),
        }
    }

    /// Returns how the program ends: what was found counts more than what was not judged.
    fn exit(&self) -> Exit {
        let mut changes = self.fail_on.iter();
        if changes.any(|change| self.tally.changed(*change) > 0) {
            return Exit::Refused;
        }
        // SECURITY: whoever asks whether a profile may come into force takes 0 for yes.
        if self.unjudged > 0 {
            Exit::Failure
        } else {
            Exit::Success
        }
    }

    /// Says what an answer does not show.
    fn warn(&self) {
        if self.without_profile > 0 {
            terminal::complain(&format!(
                "no profile is given for {} requests: the endpoint's default rules answered",
                self.without_profile
            ));
        }
    }

    /// Writes the summary for people, and returns how the program ends.
    pub(super) fn finish(mut self) -> Exit {
        let exit = self.exit();
        let written = self.output.flush();
        self.pace.tell();
        self.warn();
        match self.format {
            Format::Json => terminal::printed(written, exit),
            Format::Text => {
                let text = summary::text(&self.tally, &self.problems, terminal::palette());
                terminal::print(&text, exit)
            }
        }
    }
}

/// Says why a file gives no more requests.
fn failed(file: &Path, error: SourceError, format: Format) -> Exit {
    let name = document::name(file);
    match error {
        SourceError::Input(error) => {
            terminal::complain(&format!("{name}: {error}"));
            Exit::Failure
        }
        SourceError::Document(text, error) => {
            // What is no text has no line to be shown.
            let shown = std::str::from_utf8(&text).unwrap_or_default();
            let problems = [document::json_problem(shown, &error)];
            problem::show(&name, shown, &problems, format)
        }
    }
}

/// What a summary shows of a request.
fn example(question: &Question) -> String {
    format!("{} {}", question.method, question.target.escape_ascii())
}
