//! `latchkey simulate`: what a profile would make of recorded or hand-written requests.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use jiff::Timestamp;
use latchkey_policy::simulate::{Change, Profiles};
use latchkey_protocol::EndpointKind;

use crate::arguments::{Format, Mode};
use crate::document;
use crate::exit::Exit;
use crate::terminal;

mod answer;
mod pace;
mod requests;
mod run;
mod source;
mod summary;

/// Tells what a profile would make of requests: recorded ones, or such as are written by hand.
///
/// Requests are the agent's audit records, or JSON objects {"id", "endpoint", "method", "target",
/// "caller"}, one per line, in an array or as {"vectors": [...]}; gzip is unpacked. A request may
/// bring its own "profile". Recorded verdicts are compared with unless --current is given.
///
/// What Audit lets through counts as let through, so by new-deny a profile in Audit never gives exit
/// code 2: try it with --mode enforce.
///
/// Exit codes: 0 nothing that --fail-on names, or nothing to compare with; 1 a file cannot be read,
/// or not every request could be judged; 2 something that --fail-on names; 3 a document is invalid; 64
/// the command line is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  latchkey simulate --profile new.json --requests /var/log/latchkey/audit.jsonl
  latchkey simulate --profile audited.json --mode enforce --requests audit.jsonl
  latchkey simulate --profile imds=new.json --profile wireserver=wire.json \\
      --requests audit.jsonl.1.gz audit.jsonl
  latchkey simulate --profile new.json --current old.json --requests cases.jsonl --format json")]
pub(crate) struct Simulate {
    /// The candidate: for every endpoint, or for the one that is named.
    #[arg(long, value_name = "[ENDPOINT=]FILE")]
    profile: Vec<ProfileArgument>,
    /// Judge as if the candidate said this mode; assignments keep modes of their own.
    #[arg(long, value_enum, requires = "profile")]
    mode: Option<Mode>,
    /// What is in force now.
    #[arg(long, value_name = "[ENDPOINT=]FILE")]
    current: Vec<ProfileArgument>,
    /// The requests.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    requests: Vec<PathBuf>,
    /// What is refused with exit code 2.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "new-deny",
        value_name = "CHANGE"
    )]
    fail_on: Vec<FailOn>,
    /// The time to judge by (RFC 3339) where a request has none; by default now.
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// A change of a verdict that is not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Something that was let through would be refused.
    NewDeny,
    /// Something that was refused would be let through.
    NewAllow,
}

impl From<FailOn> for Change {
    fn from(fail_on: FailOn) -> Self {
        match fail_on {
            FailOn::NewDeny => Self::NewDeny,
            FailOn::NewAllow => Self::NewAllow,
        }
    }
}

/// A profile, and the endpoint that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ProfileArgument {
    endpoint: Option<EndpointKind>,
    file: PathBuf,
}

impl From<&str> for ProfileArgument {
    /// A name that is no endpoint's is part of the file's.
    fn from(text: &str) -> Self {
        const KINDS: [EndpointKind; 3] = [
            EndpointKind::Imds,
            EndpointKind::WireServer,
            EndpointKind::HostGa,
        ];
        let named = text.split_once('=').and_then(|(name, file)| {
            let kind = KINDS.into_iter().find(|kind| kind.as_str() == name)?;
            Some((kind, file))
        });
        Self {
            endpoint: named.map(|(kind, _)| kind),
            file: PathBuf::from(named.map_or(text, |(_, file)| file)),
        }
    }
}

pub(crate) fn run(arguments: &Simulate) -> Exit {
    simulate(arguments).unwrap_or_else(|exit| exit)
}

fn simulate(arguments: &Simulate) -> Result<Exit, Exit> {
    let is_from_stdin = |path: &Path| path.as_os_str() == "-";
    let profiles = arguments.profile.iter().chain(&arguments.current);
    let inputs = profiles
        .map(|profile| &profile.file)
        .chain(&arguments.requests);
    if inputs.filter(|path| is_from_stdin(path)).count() > 1 {
        terminal::complain("standard input can be read once: give `-` once");
        return Err(Exit::Usage);
    }
    let candidate = read(&arguments.profile, arguments.mode, arguments.format)?;
    let current = read(&arguments.current, None, arguments.format)?;
    let bar = progress(&arguments.requests);
    let mut run = run::Run::new(candidate, current, arguments);
    let ended = run.all(&arguments.requests, &bar);
    bar.finish_and_clear();
    ended?;
    Ok(run.finish())
}

/// Reads profiles, for another mode than their own if one is given; none if none is named.
fn read(
    arguments: &[ProfileArgument],
    mode: Option<Mode>,
    format: Format,
) -> Result<Option<Profiles>, Exit> {
    let mut profiles = Profiles::default();
    // Those for all endpoints come first, so that one that is for a single endpoint holds there.
    let mut sorted: Vec<_> = arguments.iter().collect();
    sorted.sort_by_key(|argument| argument.endpoint.is_some());
    for argument in &sorted {
        let loaded = document::load_as(&argument.file, format)?;
        let mut item = loaded.item().clone();
        if let Some(mode) = mode {
            mode.as_str().clone_into(&mut item.mode);
        }
        let kinds = match argument.endpoint {
            Some(kind) => vec![kind],
            None => vec![EndpointKind::Imds, EndpointKind::WireServer],
        };
        for kind in kinds {
            let inserted = profiles.insert(kind, &item);
            inserted.map_err(|error| {
                terminal::complain(&format!("{}: {error}", document::name(&argument.file)));
                Exit::Invalid
            })?;
        }
    }
    Ok((!sorted.is_empty()).then_some(profiles))
}

/// Shows on a terminal how much of the files is read.
fn progress(files: &[PathBuf]) -> ProgressBar {
    let sizes = files
        .iter()
        .map(|file| std::fs::metadata(file).map_or(0, |found| found.len()));
    // Without a terminal on standard error the bar hides itself.
    let bar = ProgressBar::new(sizes.sum());
    let style = indicatif::ProgressStyle::with_template(
        "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
    );
    match style {
        Ok(style) => bar.with_style(style),
        Err(_template) => bar,
    }
}
