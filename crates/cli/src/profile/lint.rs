//! `latchkey profile lint`: tells what in profiles is probably not meant.
//!
//! Every file is read, whatever is wrong with another one.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use latchkey_policy::document::{Document, InvalidDocument};
use latchkey_policy::lint;
use latchkey_policy::lint::{Context, Severity};
use serde::Serialize;

use crate::arguments::{Endpoint, Format};
use crate::document;
use crate::exit::Exit;
use crate::machine::ThisMachine;
use crate::terminal;

mod entry;
mod report;

use entry::Entry;

/// Tells what in profiles is probably not meant: rules that do nothing, say more than they seem to, or hold
/// for more callers than they name.
///
/// Ends with 3 if a profile is invalid or has a finding that is an error.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// The profiles.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The endpoint that they are for; without, the paths of each tell.
    #[arg(long, value_enum)]
    endpoint: Option<Endpoint>,
    /// The agents that read the profile; `latchkey` leaves out what is about deployed agents alone.
    #[arg(long = "for", value_enum, default_value = "any", value_name = "AGENTS")]
    agents: Agents,
    /// End with 3 on warnings too.
    #[arg(long)]
    strict: bool,
    /// Ask this machine whether it has the users, files and units that they name, and who can write there.
    #[arg(long)]
    machine: bool,
    /// The time to judge the end of Audit at, in the form 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
    /// How the findings are written.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// The agents that a profile is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Agents {
    /// Latchkey's, and those that are deployed.
    Any,
    /// Latchkey's alone.
    Latchkey,
}

impl Agents {
    fn concern(self, code: lint::Code) -> bool {
        self == Self::Any || !code.is_of_deployed()
    }
}

/// One file, and what there is to say about it.
#[derive(Debug, Serialize)]
struct Linted {
    file: String,
    /// Whether it is a document that can be used at all.
    valid: bool,
    findings: Vec<Entry>,
    #[serde(skip)]
    text: String,
}

pub(crate) fn run(arguments: &Lint) -> Exit {
    let mut exit = Exit::Success;
    let mut linted = Vec::new();
    for path in &arguments.files {
        match document::parse(path) {
            Ok((text, read)) => linted.push(look(path, text, read, arguments)),
            // Why it cannot be read has been said; the others are looked at all the same.
            Err(failure) => exit = exit.worse(failure),
        }
    }
    let limit = if arguments.strict {
        Severity::Warning
    } else {
        Severity::Error
    };
    let mut findings = linted.iter().flat_map(|file| &file.findings);
    if findings.any(|finding| finding.severity >= limit) {
        exit = exit.worse(Exit::Invalid);
    }
    match arguments.format {
        Format::Text => terminal::print(&report::text(&linted), exit),
        Format::Json => terminal::print_json(&report::json(&linted), exit),
    }
}

fn look(
    path: &Path,
    text: String,
    read: Result<Document, InvalidDocument>,
    arguments: &Lint,
) -> Linted {
    let context = Context {
        endpoint: arguments.endpoint.map(Into::into),
        now: arguments.now.unwrap_or_else(Timestamp::now),
        machine: arguments.machine.then_some(&ThisMachine),
    };
    let (valid, findings) = match read {
        Ok(document) => {
            document::say_assumptions(path, &document);
            let findings = lint(&document.item, &context).into_iter();
            let findings = findings.filter(|finding| arguments.agents.concern(finding.code));
            let place = |finding| Entry::of_finding(finding, &document);
            (true, findings.map(place).collect())
        }
        Err(invalid) => {
            let problems = document::problems(&invalid);
            (false, problems.into_iter().map(Entry::from).collect())
        }
    };
    Linted {
        file: document::name(path),
        valid,
        findings,
        text,
    }
}
