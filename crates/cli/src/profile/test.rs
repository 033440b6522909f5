//! `latchkey profile test`: golden tests of a profile, that stand in a YAML file beside it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::arguments::Format;
use crate::document;
use crate::exit::Exit;
use crate::problem;
use crate::terminal;
use crate::visible::{visible, visible_json, visible_lines};

mod file;

pub(super) use file::TestFile;
use file::{Expected, Outcome};

/// Runs the tests of profiles.
///
/// `allow` holds when the rules let the request through; `deny` when they refuse it, whether the
/// mode enforces that or Audit lets it pass. What is refused before any rule, such as a malformed
/// target, holds only with its `reason`.
///
/// Exit codes: 0 every case holds; 1 a file cannot be read; 2 a case fails; 3 a file or profile is
/// invalid; 64 the command line is wrong.
#[derive(Debug, Args)]
#[command(after_help = "A file of tests:
  profile: imds.json                # beside this file
  endpoint: imds                    # or wireserver, hostga
  callers:
    backup: {userName: backup, processFullPath: /usr/bin/python3.11}
  tests:
    - comment: the backup gets its token
      allow: {target: '/metadata/identity/oauth2/token?resource=x', caller: backup}
    - comment: nobody else does
      deny: {method: GET, target: /metadata/identity/oauth2/token, caller: {userName: alice}}

Example:
  latchkey profile test imds.yaml")]
pub(crate) struct Test {
    /// The files of tests.
    #[arg(value_name = "FILE", default_value = "tests.yaml")]
    files: Vec<PathBuf>,
    /// How the answer is written; JSON is one object per case.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// One case as JSON.
#[derive(Serialize)]
struct Case<'a> {
    file: String,
    line: u64,
    comment: Option<&'a str>,
    expected: Expected,
    verdict: &'a str,
    reason: Option<latchkey_protocol::Reason>,
    rule: Option<String>,
    holds: bool,
}

pub(crate) fn run(test: &Test) -> Exit {
    let exits = test.files.iter().map(|file| one(file, test.format));
    exits.fold(Exit::Success, Exit::worse)
}

fn one(file: &Path, format: Format) -> Exit {
    cases(file, format).map_or_else(
        |exit| exit,
        |outcomes| {
            let exit = if outcomes.iter().all(|outcome| outcome.holds) {
                Exit::Success
            } else {
                Exit::Refused
            };
            let text = match format {
                Format::Text => Ok(visible_lines(&text(file, &outcomes))),
                Format::Json => json(file, &outcomes),
            };
            match text {
                Ok(text) => terminal::print(&text, exit),
                Err(error) => {
                    terminal::complain(&format!("write the answer as JSON: {error}"));
                    Exit::Failure
                }
            }
        },
    )
}

fn cases(file: &Path, format: Format) -> Result<Vec<Outcome>, Exit> {
    let text = document::read(file)?;
    let refused = |problems: &[problem::Problem]| {
        problem::show(&document::name(file), &text, problems, format)
    };
    let tests = TestFile::read(&text).map_err(|found| refused(&[*found]))?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let loaded = document::load_as(&folder.join(tests.profile()), format)?;
    tests
        .run(&text, loaded.item())
        .map_err(|problems| refused(&problems))
}

fn text(file: &Path, outcomes: &[Outcome]) -> String {
    let name = document::name(file);
    let mut text = String::new();
    for outcome in outcomes.iter().filter(|outcome| !outcome.holds) {
        let comment = visible(outcome.comment.as_deref().unwrap_or("(no comment)"));
        text += &format!(
            "FAILED {name}:{}: {comment}\nexpected {}, and the answer is {}\n\n",
            outcome.line,
            outcome.expected.as_str(),
            outcome.tree
        );
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.holds).count();
    let held = outcomes.len() - failed;
    text + &format!("{name}: {held} cases hold, {failed} fail\n")
}

fn json(file: &Path, outcomes: &[Outcome]) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for outcome in outcomes {
        let case = Case {
            file: document::name(file),
            line: outcome.line,
            comment: outcome.comment.as_deref(),
            expected: outcome.expected,
            verdict: outcome.answer.verdict.as_str(),
            reason: outcome.answer.reason,
            rule: outcome.answer.rule.as_ref().map(ToString::to_string),
            holds: outcome.holds,
        };
        text += &visible_json(&serde_json::to_string(&case)?);
        text.push('\n');
    }
    Ok(text)
}
