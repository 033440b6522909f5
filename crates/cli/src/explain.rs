//! `latchkey explain`: what becomes of one request under a profile, and why.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use latchkey_policy::case::{self, CallerClaims, ClaimsError};
use latchkey_policy::{self as policy, Explanation};
use latchkey_protocol::{Caller, EndpointKind, Reason};
use serde::Serialize;

use crate::arguments::{Endpoint, Format};
use crate::document;
use crate::exit::Exit;
use crate::problem::{self, Problem};
use crate::terminal;

/// Explains what becomes of one request under a profile.
///
/// Exit codes: 0 whatever the verdict; 1 a file cannot be read; 3 the profile or the caller is
/// invalid; 64 the command line is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  latchkey explain --profile imds.json --endpoint imds --caller caller.json \\
      --target '/metadata/instance?api-version=2021-02-01'
  latchkey explain --profile imds.json --endpoint imds --target /metadata/identity/oauth2/token \\
      --user backup --exe /usr/bin/python3.11 --format json")]
pub(crate) struct Explain {
    /// The profile.
    #[arg(long, value_name = "FILE")]
    profile: PathBuf,
    /// The endpoint that is asked.
    #[arg(long, value_enum)]
    endpoint: Endpoint,
    /// The method.
    #[arg(long, default_value = "GET")]
    method: String,
    /// Path and query, as they stand in the request.
    #[arg(long)]
    target: String,
    #[command(flatten)]
    caller: CallerSource,
    /// The time to judge by (RFC 3339), for a profile whose Audit ends; by default now.
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Who asks; what is named beside a document changes what is in it.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct CallerSource {
    /// The caller as JSON: {"userName", "userGroups", "processFullPath", "runAsElevated", "uid",
    /// "gid", "systemdUnit", "systemdSlice", "containerId", "cgroup", "scriptPath", "exeSha256",
    /// "flags"}, all of them optional.
    #[arg(long, value_name = "FILE")]
    caller: Option<PathBuf>,
    /// The name of the caller's user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The path of the caller's executable.
    #[arg(long, value_name = "PATH")]
    exe: Option<String>,
    /// The unit of systemd that the caller runs in.
    #[arg(long, value_name = "UNIT")]
    unit: Option<String>,
    /// The caller is root.
    #[arg(long)]
    root: bool,
}

/// The answer to what is no request, in the fields of an explanation.
#[derive(Debug, Serialize)]
struct Malformed<'a> {
    verdict: &'a str,
    reason: Reason,
    rule: Option<&'a str>,
    request: MalformedRequest<'a>,
}

#[derive(Debug, Serialize)]
struct MalformedRequest<'a> {
    endpoint: EndpointKind,
    method: &'a str,
    target: &'a str,
}

pub(crate) fn run(arguments: &Explain) -> Exit {
    explain(arguments).unwrap_or_else(|exit| exit)
}

fn explain(arguments: &Explain) -> Result<Exit, Exit> {
    let loaded = document::load_as(&arguments.profile, arguments.format)?;
    let caller = arguments.caller.read(arguments.format)?;
    let kind = EndpointKind::from(arguments.endpoint);
    let unusable = |error: &dyn std::fmt::Display| {
        terminal::complain(&error.to_string());
        Exit::Invalid
    };
    let endpoint = case::endpoint(kind.as_str()).map_err(|error| unusable(&error))?;
    let in_force =
        case::policy(&endpoint, Some(loaded.item())).map_err(|error| unusable(&error))?;
    let now = arguments.now.unwrap_or_else(Timestamp::now);
    let request = case::request(&endpoint, &arguments.method, arguments.target.as_bytes());
    Ok(match request {
        Ok(request) => {
            let explanation = policy::explain(&request, &caller, &in_force, case::KEY, now);
            written(arguments.format, &explanation)
        }
        Err(reason) => refused(arguments, kind, reason),
    })
}

fn written(format: Format, explanation: &Explanation) -> Exit {
    match format {
        Format::Json => terminal::print_json(explanation, Exit::Success),
        Format::Text => terminal::print(&format!("{explanation}\n"), Exit::Success),
    }
}

/// Writes why the agent does not accept a request as one.
fn refused(arguments: &Explain, kind: EndpointKind, reason: Reason) -> Exit {
    if arguments.format == Format::Text {
        let text = format!(
            "DENY {reason}: {}\n└─ the rules were not asked\n",
            reason.title()
        );
        return terminal::print(&text, Exit::Success);
    }
    let malformed = Malformed {
        verdict: "deny",
        reason,
        rule: None,
        request: MalformedRequest {
            endpoint: kind,
            method: &arguments.method,
            target: &arguments.target,
        },
    };
    terminal::print_json(&malformed, Exit::Success)
}

impl CallerSource {
    fn read(&self, format: Format) -> Result<Caller, Exit> {
        let Some(path) = &self.caller else {
            return self.amend(CallerClaims::default()).map_err(|error| {
                terminal::complain(&error.to_string());
                Exit::Invalid
            });
        };
        let text = document::read(path)?;
        let show = |found| problem::show(&document::name(path), &text, &[found], format);
        CallerClaims::read(&text)
            .and_then(|claims| self.amend(claims))
            .map_err(|error| show(caller_problem(&text, &error)))
    }

    fn amend(&self, claims: CallerClaims) -> Result<Caller, ClaimsError> {
        let claims = CallerClaims {
            user_name: self.user.clone().or(claims.user_name),
            process_full_path: self.exe.clone().or(claims.process_full_path),
            systemd_unit: self.unit.clone().or(claims.systemd_unit),
            run_as_elevated: self.root.then_some(true).or(claims.run_as_elevated),
            ..claims
        };
        claims.caller()
    }
}

/// Shows what is wrong with a caller where it stands.
fn caller_problem(text: &str, error: &ClaimsError) -> Problem {
    let found = Problem::error("invalid_caller", error.to_string());
    match error {
        ClaimsError::Form(error) if error.is_data() => Problem {
            message: document::json_problem(text, error).message,
            ..found
        }
        .at_end(text, error.line(), error.column()),
        ClaimsError::Form(error) => document::json_problem(text, error),
        ClaimsError::UnknownField(name) => {
            let known = CallerClaims::attributes().join(", ");
            let help = Some(format!("attributes are {known}"));
            Problem { help, ..found }.at_first(text, &format!("\"{name}\""))
        }
        ClaimsError::Flag(_) => found.at_first(text, "\"flags\""),
    }
}
