//! The deployed agent's records: one of a request, one of a caller alone, and its claims.

use std::borrow::Cow;

use jiff::Timestamp;

use super::form::{AnyLine, Text};
use super::{Line, RecordId, RequestId, Unread, endpoint, status};
use crate::learn::{CallerSample, CallerSeen, Sample, Script, Source, Verdict, is_interpreter};

/// Options of interpreters after which comes code or a module, not a file.
const CODE_OPTIONS: [&str; 5] = ["-c", "-e", "-m", "-r", "--eval"];

/// Reads a record of a request.
pub(super) fn record(
    line: AnyLine<'_>,
    time: Option<Timestamp>,
    request: Option<RequestId>,
) -> Line<'_> {
    let caller = claims(&line);
    let place = line.ip.as_ref().zip(line.port);
    let Some(endpoint) = place.and_then(|(Text(ip), port)| endpoint(ip, port)) else {
        return Line::Unread(Unread::UnknownEndpoint);
    };
    let (Some(Text(method)), Some(Text(target))) = (line.method, line.url) else {
        return Line::Unread(Unread::Incomplete);
    };
    if line.process_full_path.is_none() || line.user_name.is_none() {
        return Line::Unread(Unread::Incomplete);
    }
    let sample = Sample {
        time,
        endpoint,
        method,
        target,
        caller,
        verdict: Verdict::Forwarded,
        status: line.response_status.and_then(|Text(text)| status(&text)),
        count: 1,
        source: Source::DeployedRecord,
    };
    Line::Sample(Box::new(sample), request.map(RecordId::Request))
}

/// Reads a summary of a caller's requests.
pub(super) fn summary(line: AnyLine<'_>) -> Line<'_> {
    let place = line.ip.as_ref().zip(line.port);
    let Some(endpoint) = place.and_then(|(Text(ip), port)| endpoint(ip, port)) else {
        return Line::Unread(Unread::UnknownEndpoint);
    };
    let (Some(Text(user)), Some(Text(executable))) = (line.user_name, line.process_full_path)
    else {
        return Line::Unread(Unread::Incomplete);
    };
    Line::Caller(CallerSample {
        endpoint,
        user,
        executable,
        status: line.response_status.and_then(|Text(text)| status(&text)),
        count: line.count.unwrap_or(1),
    })
}

/// Reads what is said of the caller.
pub(super) fn claims<'a>(line: &AnyLine<'a>) -> CallerSeen<'a> {
    let own = |text: &Option<Text<'a>>| text.as_ref().map(|Text(text)| text.clone());
    let executable = own(&line.process_full_path);
    let command = line.process_cmd_line.as_ref();
    let script = executable.as_deref().filter(|path| is_interpreter(path));
    let script = script.and_then(|_| command.and_then(|Text(command)| guessed(command)));
    CallerSeen {
        user: own(&line.user_name),
        // It also says 0 for root's and for a user that it did not find.
        uid: None,
        root: line.run_as_elevated == Some(true),
        executable,
        unit: None,
        script: script.map(|path| Script::Guessed(Cow::Owned(path))),
        flags: Vec::new(),
    }
}

/// Guesses the script in a command line: the first argument that is no option, if it is an absolute
/// path.
fn guessed(command: &str) -> Option<String> {
    let arguments = command.split_whitespace().skip(1);
    let mut arguments = arguments.map(|argument| argument.trim_matches(['"', '\'']));
    let first =
        arguments.find(|argument| !argument.starts_with('-') || CODE_OPTIONS.contains(argument))?;
    first.starts_with('/').then(|| first.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_is_the_first_argument_that_is_an_absolute_path() {
        for (command, script) in [
            ("python3 -u /opt/app/main.py --x", Some("/opt/app/main.py")),
            ("python3 '/opt/app/main.py'", Some("/opt/app/main.py")),
            ("python3 -m http.server /opt/x.py", None),
            ("bash -c /opt/x.sh", None),
            ("python3 main.py /opt/data", None),
            ("python3", None),
        ] {
            assert_eq!(guessed(command).as_deref(), script, "{command}");
        }
    }
}
