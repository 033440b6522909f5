//! `latchkey observe` beside a log that grows: what is told, and how it ends.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is the test's"
)]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// How long anything may take on a slow and busy machine.
const LIMIT: Duration = Duration::from_secs(20);

struct Log(tempfile::TempDir);

impl Log {
    fn new() -> Self {
        let log = Self(tempfile::tempdir().unwrap());
        fs::write(log.path(), "").unwrap();
        log
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("audit.jsonl")
    }

    fn append(&self, text: &str) {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(self.path())
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rotate(&self) {
        fs::rename(self.path(), self.0.path().join("audit.jsonl.1")).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
        command
            .args(["observe", "--audit"])
            .arg(self.path())
            .args(arguments);
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

/// Returns the line of a request for this target; refused if there is a reason.
fn record(sequence: u64, target: &str, reason: Option<&str>) -> String {
    let outcome = reason.map_or("forwarded", |_| "refused");
    let record = json!({
        "version": 1, "sequence": sequence, "run": "0f", "time": "2026-11-23T12:00:00Z",
        "durationUs": 5, "endpoint": "imds", "kind": "imds", "destination": "169.254.169.254:80",
        "method": "GET", "target": target,
        "caller": {
            "pid": 7, "startTimeNs": 1, "uid": 1000, "gid": 1000, "euid": 1000, "egid": 1000,
            "root": false, "user": "app", "groups": ["app"], "executable": "/usr/bin/curl",
            "comm": "curl", "cgroup": 1, "unit": "app.service",
        },
        "mode": "Enforce", "rules": "1", "rule": null, "outcome": outcome, "reason": reason,
        "wouldRefuse": null, "signed": reason.is_none(), "status": 200,
    });
    format!("{record}\n")
}

/// A program whose lines are read as they come.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines() {
                if sender.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    #[track_caller]
    fn line(&self) -> String {
        self.lines.recv_timeout(LIMIT).unwrap()
    }

    #[track_caller]
    fn object(&self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, signal).unwrap();
    }

    fn end(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

#[test]
fn json_tells_each_decision_across_a_rotation_until_it_is_stopped() {
    let log = Log::new();
    log.append(&record(1, "/before", None));
    let running = Running::start(log.command(&["--json", "--from-beginning"]));
    assert_eq!(running.object()["target"], "/before");
    log.append(&record(2, "/while", Some("caller_not_assigned")));
    let refused = running.object();
    assert_eq!(
        (&refused["verdict"], &refused["reason"], &refused["id"]),
        (
            &json!("deny"),
            &json!("caller_not_assigned"),
            &json!("0f-2")
        )
    );
    log.append(&record(3, "/last of the old", None));
    log.rotate();
    log.append(&record(4, "/first of the new", None));
    assert_eq!(running.object()["target"], "/last of the old");
    assert_eq!(running.object()["target"], "/first of the new");
    running.signal(Signal::SIGINT);
    assert_eq!(running.end(), Some(0));
}

#[test]
fn form_of_a_line_is_the_documented_one() {
    let log = Log::new();
    log.append(&record(1, "/a", None));
    let output = log.output(&["--once", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let expected = concat!(
        r#"{"id":"0f-1","endpoint":"imds","method":"GET","target":"/a","#,
        r#""caller":{"userName":"app","userGroups":["app"],"processName":"curl","#,
        r#""processFullPath":"/usr/bin/curl","runAsElevated":false,"processId":7,"uid":1000,"#,
        r#""gid":1000,"systemdUnit":"app.service"},"verdict":"allow","reason":null,"rule":null,"#,
        r#""mode":"Enforce","outcome":"forwarded","status":200,"signed":true,"#,
        r#""time":"2026-11-23T12:00:00Z","durationUs":5}"#,
        "\n",
    );
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    // It is what the reference shows.
    let reference = include_str!("../../../docs/reference/observe.md");
    assert!(reference.contains(expected.trim_end()), "{expected}");
}

#[test]
fn without_a_terminal_each_decision_is_a_line_of_text() {
    let log = Log::new();
    let running = Running::start(log.command(&["--from-beginning"]));
    log.append(&record(1, "/\u{1b}[2J", Some("no_matching_rule")));
    assert_eq!(
        running.line(),
        "2026-11-23T12:00:00Z deny  no_matching_rule imds GET /\\u{1b}[2J by app.service app \
         /usr/bin/curl"
    );
    running.signal(Signal::SIGTERM);
    assert_eq!(running.end(), Some(0));
}

#[test]
fn line_that_is_no_record_is_an_error_in_its_place() {
    let log = Log::new();
    log.append(&format!(
        "{}no record\n{}",
        record(1, "/a", None),
        record(2, "/b", None)
    ));
    let output = log.output(&["--once", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    let verdicts: Vec<Value> = lines
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["verdict"].take())
        .collect();
    assert_eq!(verdicts, ["allow", "error", "allow"]);
}

#[test]
fn gap_in_the_numbers_is_told_on_standard_error() {
    let log = Log::new();
    log.append(&(record(1, "/a", None) + &record(5, "/b", None)));
    let output = log.output(&["--once", "--json"]);
    let complaint = std::str::from_utf8(&output.stderr).unwrap();
    assert!(complaint.starts_with("latchkey: 3 records "), "{output:?}");
}

#[test]
fn summary_counts_what_the_log_holds() {
    let log = Log::new();
    for sequence in 1..=3 {
        log.append(&record(sequence, "/a", None));
    }
    let output = log.output(&["--once"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = std::str::from_utf8(&output.stdout).unwrap();
    assert!(
        text.starts_with("0.0 per second  allow 3  audit 0  deny 0  error 0\n"),
        "{text}"
    );
    assert!(text.contains("app.service app /usr/bin/curl"), "{text}");
}

#[test]
fn table_on_a_terminal_is_drawn_within_its_window_and_taken_away_again() {
    let log = Log::new();
    log.append(&record(1, "/\u{9b}2J", None));
    let (text, code) = on_a_terminal(log.command(&["--from-beginning", "--seconds", "2"]));
    assert_eq!(code, Some(0), "{text:?}");
    let (page, after) = text.split_once("\x1b[?1049l").unwrap();
    assert!(page.starts_with("\x1b[?1049h\x1b[?25l\x1b[H"), "{text:?}");
    assert!(page.contains("app.service app /usr/bin/curl"), "{text:?}");
    assert!(page.ends_with("\x1b[?25h"), "{text:?}");
    // What was seen stays behind on the usual page.
    assert!(after.contains("allow 1"), "{text:?}");
    assert!(!text.contains('\u{9b}'), "{text:?}");
}

/// Runs a program on a terminal of 24 lines and 140 columns.
fn on_a_terminal(mut command: Command) -> (String, Option<i32>) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let end = || {
        let path = std::path::Path::new(name.to_str().unwrap());
        File::options().read(true).write(true).open(path).unwrap()
    };
    let size = Command::new("stty")
        .args(["rows", "24", "cols", "140"])
        .stdin(end())
        .status()
        .unwrap();
    assert!(size.success());
    let mut child = command
        .env("TERM", "xterm")
        .stdin(end())
        .stdout(end())
        .spawn()
        .unwrap();
    // The command holds an end of the terminal open; without it reading ends with the program.
    drop(command);
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    let mut terminal = File::from(terminal);
    // A terminal that nobody has open any more is an error of reading.
    while let Ok(count @ 1..) = terminal.read(&mut buffer) {
        let Some(part) = buffer.get(..count) else {
            panic!("read more than there is room for");
        };
        read.extend_from_slice(part);
    }
    let code = child.wait().unwrap().code();
    (String::from_utf8(read).unwrap(), code)
}

#[test]
fn reader_that_goes_away_is_no_failure() {
    let log = Log::new();
    let mut child = log
        .command(&["--json", "--from-beginning"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    log.append(&record(1, "/a", None));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn log_that_is_not_there_is_a_failure_that_names_it() {
    let log = Log::new();
    fs::remove_file(log.path()).unwrap();
    let output = log.output(&["--once"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let complaint = std::str::from_utf8(&output.stderr).unwrap();
    assert!(
        complaint.contains("audit.jsonl: No such file or directory"),
        "{complaint}"
    );
    assert_eq!(output.stdout, b"");
}

#[test]
fn folder_is_no_log_and_contradictions_are_usage_errors() {
    let log = Log::new();
    let folder = log.0.path().to_str().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_latchkey"))
        .args(["observe", "--audit", folder])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    for arguments in [
        &["--once", "--seconds", "1"][..],
        &["--config", "/x"],
        &["--format", "xml"],
    ] {
        let output = log.output(arguments);
        assert_eq!(output.status.code(), Some(64), "{output:?}");
    }
}
