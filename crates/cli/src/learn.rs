//! `latchkey learn`: makes profiles from recorded requests, and says what they rest on.

use std::path::PathBuf;
use std::time::Instant;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use latchkey_policy::document;
use latchkey_policy::export::{Target, Widening};
use latchkey_policy::learn::Options;

use crate::arguments::{Arguments, Endpoint, Format, Mode, region};
use crate::exit::Exit;
use crate::terminal;

mod budget;
mod csv;
mod form;
mod input;
mod intake;
mod json;
mod output;
mod table;
mod text;

use input::{Input, InputError};
use intake::{Filter, Intake};
pub(crate) use output::Whole;
use output::{Answer, Output, Written};

/// Makes access control profiles from recorded requests.
///
/// Reads, in any mixture: Latchkey's audit records, the deployed agent's ProxyAgent.Connection.log and
/// status.json, and exports of them from log analytics in JSON or CSV, each also packed by gzip.
/// What nobody should decide but a person is listed with an id, and becomes a rule by --accept.
///
/// Exit codes: 0 profiles were made, or callers listed; 1 something could not be read to its end or
/// written, or holds no request; 3 deployed agents cannot express what was learned, and nothing was
/// written; 64 the command line is wrong.
#[derive(Debug, Args)]
pub(crate) struct Learn {
    /// What to read; `-` is standard input, also if none is named.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Learn from requests to these endpoints alone.
    #[arg(long, value_enum, value_name = "ENDPOINT")]
    endpoint: Vec<Endpoint>,
    /// Write a file per profile, and report.json, into this folder.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Overwrite files of the folder.
    #[arg(long, requires = "output")]
    force: bool,
    /// The form of the profiles; local and version are for deployed agents, who know less.
    #[arg(long, value_enum, default_value_t = Form::Item)]
    form: Form,
    /// Write a form for deployed agents although they let more through by it; each thing is told.
    #[arg(long)]
    allow_widening: bool,
    /// Where versions are stored and replicated to; for --form version, whose body must say it.
    #[arg(long, value_name = "REGION", required_if_eq("form", "version"), value_parser = region)]
    location: Option<String>,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Make a rule of what needs a decision and has this id.
    #[arg(long, value_name = "ID")]
    accept: Vec<String>,
    /// Ask about what was seen less often.
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_count: u64,
    /// Count this answer of the host as fine, besides 200 to 399.
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(100..600))]
    also_status: Vec<u16>,
    /// Leave out what was recorded before this day or time (UTC).
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Leave out what was recorded at or after this day or time (UTC).
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// The mode of the profiles.
    #[arg(long, value_enum, default_value_t = Mode::Audit)]
    mode: Mode,
}

/// The form of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// An authorization item, as a host sends it.
    Item,
    /// A local rule file.
    Local,
    /// The rules alone.
    Rules,
    /// The body of a profile version, as the resource API takes it.
    Version,
}

impl Learn {
    /// Returns what the profiles are written as.
    fn written(&self) -> Written {
        let widening = if self.allow_widening {
            Widening::Accept
        } else {
            Widening::Refuse
        };
        match self.form {
            Form::Item => Written::Whole(document::Form::Item),
            Form::Rules => Written::Whole(document::Form::Rules),
            Form::Local => Written::Exported(Target::Local, widening),
            Form::Version => {
                let location = self.location.clone().unwrap_or_default();
                Written::Exported(Target::Resource(location), widening)
            }
        }
    }
}

/// Reads a day or a time.
fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let day: Result<Date, _> = text.parse();
    let day =
        day.map_err(|error| format!("{error}: write it as 2026-11-23 or 2026-11-23T10:00:00Z"))?;
    let midnight = day.at(0, 0, 0, 0);
    TimeZone::UTC
        .to_timestamp(midnight)
        .map_err(|error| error.to_string())
}

pub(crate) fn run(learn: &Learn) -> Exit {
    if learn.location.is_some() && learn.form != Form::Version {
        let text = "--location is for --form version: the other forms have no place for it";
        let error = Arguments::command().error(ErrorKind::ArgumentConflict, text);
        return terminal::printed(error.print(), Exit::Usage);
    }
    let output = match &learn.output {
        None => Output::Terminal,
        Some(folder) => Output::Folder {
            folder: folder.clone(),
            existing: if learn.force {
                output::Existing::Overwrite
            } else {
                output::Existing::Keep
            },
        },
    };
    if let Err(error) = output.check() {
        terminal::complain(&error.to_string());
        return Exit::Failure;
    }
    match read(learn) {
        Ok(intake) => answer(learn, intake, &output),
        Err(exit) => exit,
    }
}

fn read(learn: &Learn) -> Result<Intake, Exit> {
    let options = Options {
        mode: learn.mode.as_str().to_owned(),
        accept: learn.accept.iter().cloned().collect(),
        min_count: learn.min_count,
        fine_statuses: learn.also_status.iter().copied().collect(),
    };
    let filter = Filter {
        endpoints: learn.endpoint.iter().map(|own| (*own).into()).collect(),
        since: learn.since,
        until: learn.until,
    };
    let mut intake = Intake::new(options, filter);
    let standard = [PathBuf::from("-")];
    let files = if learn.files.is_empty() {
        &standard[..]
    } else {
        &learn.files
    };
    if let Some(path) = input::same(files) {
        terminal::complain(&format!(
            "{} is named twice, so its requests would count twice",
            path.display()
        ));
        return Err(Exit::Usage);
    }
    let began = Instant::now();
    for path in files {
        let input = Input::open(path).map_err(|error| failed(&error))?;
        // What was read of it is learned from; the exit code tells of the rest.
        if let Err(error) = input.read(&mut intake) {
            failed(&error);
        }
    }
    intake.measured(began.elapsed());
    Ok(intake)
}

fn failed(error: &InputError) -> Exit {
    terminal::complain(&latchkey_agent::failure::with_causes(error));
    Exit::Failure
}

fn answer(learn: &Learn, intake: Intake, output: &Output) -> Exit {
    let (learned, input) = intake.finish();
    if let Some(id) = learned.report.unknown_ids.first() {
        terminal::complain(&format!(
            "nothing that was learned has the id `{id}`, so nothing was written: leave --accept out to see the ids"
        ));
        return Exit::Failure;
    }
    let answer = Answer {
        form: learn.written(),
        format: learn.format,
        only_hostga: learn.endpoint == [Endpoint::HostGa],
        learned,
        input,
    };
    output.write(&answer)
}
