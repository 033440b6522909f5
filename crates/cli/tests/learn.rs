//! `latchkey learn` as a person meets it: every form of input gives the same profiles, files are not
//! overwritten, and what is not read is told.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is the test's"
)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../policy/testdata/learn")
        .join(name)
}

fn learn(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_latchkey"))
        .arg("learn")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that does not read ends the pipe; what it says is looked at.
    drop(stdin.write_all(input));
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn said(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Returns the answer as JSON to an input.
fn answered(arguments: &[&str], input: &[u8]) -> Value {
    let arguments = [&["--format", "json"], arguments].concat();
    let output = learn(&arguments, input);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn log() -> Vec<u8> {
    fs::read(testdata("ProxyAgent.Connection.log")).unwrap()
}

fn golden() -> Value {
    serde_json::from_slice(&fs::read(testdata("learned.json")).unwrap()).unwrap()
}

/// Three records of the deployed agent: a caller that asks for tokens.
fn records() -> Vec<Value> {
    let record = |id: u32| {
        json!({"id": id, "method": "GET", "url": "/metadata/identity/oauth2/token?resource=https://vault.azure.net",
            "clientIp": "127.0.0.1", "clientPort": 40123, "ip": "169.254.169.254", "port": 80, "userId": 1000,
            "userName": "alice", "userGroups": ["alice", "dev"], "processFullPath": "/opt/app", "processCmdLine":
            "app", "runAsElevated": false, "responseStatus": "200 OK", "elapsedTime": 3, "errorDetails": ""})
    };
    (1..4).map(record).collect()
}

#[test]
fn log_gives_the_golden_profiles_from_a_file_packed_and_through_a_pipe() {
    let folder = TempDir::new().unwrap();
    let packed = folder.path().join("log.gz");
    let mut encoder = GzEncoder::new(fs::File::create(&packed).unwrap(), Compression::fast());
    encoder.write_all(&log()).unwrap();
    encoder.finish().unwrap();
    let file = testdata("ProxyAgent.Connection.log");
    for (arguments, input) in [
        (vec![file.to_str().unwrap()], vec![]),
        (vec![packed.to_str().unwrap()], vec![]),
        (vec!["-"], log()),
        (vec![], log()),
    ] {
        let answer = answered(&arguments, &input);
        assert_eq!(answer["profiles"], golden()["profiles"], "{arguments:?}");
        assert_eq!(
            answer["entries"],
            golden()["report"]["entries"],
            "{arguments:?}"
        );
        assert_eq!(answer["input"]["requests"], 49);
    }
}

#[test]
fn every_line_is_counted_and_unread_ones_are_shown_without_secrets() {
    let input = &answered(&[], &log())["input"];
    let count = |name: &str| input[name].as_u64().unwrap();
    let unread = input["unread"].as_array().unwrap();
    let unread_count: u64 = unread
        .iter()
        .map(|lines| lines["count"].as_u64().unwrap())
        .sum();
    let counted = [
        "requests",
        "callers",
        "duplicates",
        "outside",
        "notes",
        "blank",
    ]
    .map(count);
    assert_eq!(counted.iter().sum::<u64>() + unread_count, count("lines"));
    assert_eq!(
        count("lines"),
        u64::try_from(log().iter().filter(|byte| **byte == b'\n').count()).unwrap()
    );
    let text = input.to_string();
    assert!(text.contains("-:") && !text.contains("abcdef"), "{text}");
}

#[test]
fn exports_in_json_and_csv_give_what_the_records_give() {
    let lines: String = records()
        .iter()
        .map(|record| format!("{record}\n"))
        .collect();
    let expected = answered(&[], lines.as_bytes())["profiles"]["imds"]["rules"].clone();
    assert_eq!(expected["identities"][0]["exePath"], "/opt/app");
    let array = Value::from(records());
    let rows: Vec<_> = records()
        .iter()
        .map(|record| json!(["2026-11-23T10:00:00Z", record.to_string()]))
        .collect();
    let columns = json!([{"name": "TimeGenerated", "type": "datetime"}, {"name": "Context1", "type": "string"}]);
    let tables = json!({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": rows}]});
    let message = |record: &Value| {
        format!(
            "2026-11-23T10:00:00Z,\"{}\"\n",
            record.to_string().replace('"', "\"\"")
        )
    };
    let messages: String = records().iter().map(message).collect();
    let spread = |record: &Value| {
        format!(
            "GET,{},169.254.169.254,80,alice,/opt/app,False,200 OK\n",
            record["url"].as_str().unwrap()
        )
    };
    let spread: String = records().iter().map(spread).collect();
    for input in [
        array.to_string(),
        format!("{array:#}"),
        tables.to_string(),
        format!("{tables:#}"),
        format!("TimeGenerated,RawData\n{messages}"),
        format!(
            "method_s,url_s,ip_s,port_d,userName_s,processFullPath_s,runAsElevated_b,responseStatus_s\n{spread}"
        ),
    ] {
        let mut rules = answered(&[], input.as_bytes())["profiles"]["imds"]["rules"].clone();
        // An export tells the time, the bare records do not.
        rules["roleAssignments"][0]["comment"] = expected["roleAssignments"][0]["comment"].clone();
        assert_eq!(rules, expected, "{input}");
    }
}

#[test]
fn status_gives_callers_and_no_rules_and_says_so() {
    let status = json!({"timestamp": "2026-11-23T10:45:58.054", "proxyAgentStatus": {"version": "9.9.9"},
        "proxyConnectionSummary": [{"userName": "root", "ip": "168.63.129.16", "port": 80, "processCmdLine": "c",
            "responseStatus": "200 OK", "count": 11, "userGroups": ["root"], "processFullPath": "/usr/bin/c"}],
        "failedAuthenticateSummary": [{"userName": "root"}]});
    for text in [status.to_string(), format!("{status:#}")] {
        let output = learn(&["--format", "json"], text.as_bytes());
        assert_eq!(output.status.code(), Some(0));
        assert!(
            said(&output.stderr).contains("no request was read"),
            "{output:?}"
        );
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["callersWithoutRequests"][0]["count"], 11);
        assert_eq!(answer["isSampled"], true);
    }
}

#[test]
fn files_are_written_and_not_overwritten() {
    let folder = TempDir::new().unwrap();
    let into = folder.path().join("profiles");
    let into_text = into.to_str().unwrap();
    let first = learn(&["--output", into_text], &log());
    assert_eq!(first.status.code(), Some(0), "{}", said(&first.stderr));
    let told = said(&first.stdout);
    for part in [
        "MB/s",
        "warning: the deployed agent records one request",
        "needs a decision",
        "wrote ",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let imds: Value = serde_json::from_slice(&fs::read(into.join("imds.json")).unwrap()).unwrap();
    assert_eq!(imds, golden()["profiles"]["imds"]);
    assert!(into.join("wireserver.json").exists() && into.join("report.json").exists());
    let second = learn(&["--output", into_text], &log());
    assert_eq!(second.status.code(), Some(1));
    assert!(said(&second.stderr).contains("--force"), "{second:?}");
    let third = learn(
        &["--output", into_text, "--force", "--endpoint", "imds"],
        &log(),
    );
    assert_eq!(third.status.code(), Some(0), "{}", said(&third.stderr));
}

#[test]
fn form_endpoint_time_and_decisions_are_as_asked() {
    let rules = |arguments: &[&str]| answered(arguments, &log())["profiles"].clone();
    let version = [
        "--form",
        "version",
        "--mode",
        "enforce",
        "--location",
        "here",
        "--allow-widening",
    ];
    let version = rules(&version);
    let imds = &version["imds"];
    assert_eq!(imds["properties"]["mode"], "Enforce");
    assert_eq!(imds["location"], "here");
    assert_eq!(imds["properties"]["targetLocations"][0]["name"], "here");
    assert!(rules(&["--form", "rules"])["imds"]["privileges"].is_array());
    assert!(
        rules(&["--form", "local", "--allow-widening"])["imds"]
            .get("mode")
            .is_none()
    );
    let hostga = rules(&["--endpoint", "hostga"]);
    let privileges = hostga["hostga"]["rules"]["privileges"].as_array().unwrap();
    assert!(privileges.iter().any(|own| own["path"] == "/status"));
    assert_eq!(hostga.as_object().unwrap().len(), 1);
    let waits =
        |entry: &&Value| entry["state"] == "needsDecision" && entry["evidence"]["count"] == 4;
    let golden = golden();
    let entries = golden["report"]["entries"].as_array().unwrap();
    let id = entries.iter().find(waits).unwrap()["id"].as_str().unwrap();
    let accepted = rules(&["--accept", id]).to_string();
    assert!(
        accepted.contains("oauth2-token-management.azure.com"),
        "{accepted}"
    );
    let none = learn(&["--since", "2030-01-01"], &log());
    assert_eq!(none.status.code(), Some(1), "{none:?}");
    assert!(said(&none.stderr).contains("outside"), "{none:?}");
}

#[test]
fn text_answer_is_one_profile_that_can_be_piped_on() {
    let output = learn(&["--endpoint", "imds"], &log());
    let profile: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(profile, golden()["profiles"]["imds"]);
    assert!(
        said(&output.stderr).contains("needs a decision"),
        "{output:?}"
    );
}

#[test]
fn wrong_input_and_wrong_arguments_end_with_their_codes() {
    let unknown = learn(&["--accept", "00000000"], &log());
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        said(&unknown.stderr).contains("00000000") && unknown.stdout.is_empty(),
        "{unknown:?}"
    );
    assert_eq!(learn(&["/nowhere/log"], b"").status.code(), Some(1));
    for arguments in [
        &["--min-count", "x"][..],
        &["--since", "yesterday"],
        &["--force"],
        &["--endpoint", "dns"],
        &["a", "a"],
        &["--form", "version"],
        &["--form", "version", "--location", " "],
        &["--location", "here"],
        &["--form", "local", "--location", "here"],
    ] {
        assert_eq!(
            learn(arguments, b"").status.code(),
            Some(64),
            "{arguments:?}"
        );
    }
}

#[test]
fn what_is_learned_is_valid_in_every_form_and_written_as_the_formatter_writes() {
    for form in ["item", "local", "rules", "version"] {
        let folder = tempfile::tempdir().unwrap();
        let into = folder.path().to_str().unwrap();
        let more: &[&str] = match form {
            "version" => &["--location", "here", "--allow-widening"],
            "local" => &["--allow-widening"],
            _ => &[],
        };
        let arguments = [&["--output", into, "--form", form], more].concat();
        let output = learn(&arguments, &log());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        for name in ["imds.json", "wireserver.json"] {
            let check: &[&str] = match form {
                "item" | "rules" => &["profile", "fmt", "--check"],
                _ => &["profile", "show"],
            };
            let output = Command::new(env!("CARGO_BIN_EXE_latchkey"))
                .args(check)
                .arg(folder.path().join(name))
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(0), "{form}: {output:?}");
        }
    }
}

/// Learns from text, and returns the answer and how it ended.
fn answer(arguments: &[&str], input: &[u8]) -> (Value, Option<i32>) {
    let arguments = [&["--format", "json"], arguments].concat();
    let output = learn(&arguments, input);
    let answer = serde_json::from_slice(&output.stdout).unwrap();
    (answer, output.status.code())
}

/// Returns the lines of a connection log that hold these records.
fn log_of(records: &[Value]) -> String {
    let line = |(at, record): (usize, &Value)| {
        format!("2026-11-23T10:45:5{at}.054 [INFO]    {at}[1] - {record}\n")
    };
    records.iter().enumerate().map(line).collect()
}

#[test]
fn what_strangers_write_into_a_log_makes_no_rule() {
    let record = &records()[0];
    let quoted = record.to_string().replace('"', "\"\"");
    let tables = |columns: &[&str], cells: &[&str]| {
        let columns: Vec<_> = columns.iter().map(|name| json!({"name": name})).collect();
        json!({"tables": [{"columns": columns, "rows": [cells, cells]}]}).to_string()
    };
    let text = record.to_string();
    for (input, why) in [
        (
            format!(
                "Nov  1 08:00:30 vm1 sshd[9]: Invalid user {record} from 203.0.113.9 port 47\n"
            ),
            "no record in it",
        ),
        (
            format!("2026-11-01T08:00:30.054 [WARN]    something about {record}\n"),
            "no record in it",
        ),
        (
            format!(
                "TimeGenerated,ProcessName,SyslogMessage\n2026-11-01T08:00:30Z,sshd,\"{quoted}\"\n"
            ),
            "a message of another program, or of one that is not named",
        ),
        (
            tables(
                &["TimeGenerated", "SyslogMessage"],
                &["2026-11-01T08:00:30Z", &text],
            ),
            "a message of another program, or of one that is not named",
        ),
        (
            tables(
                &["TimeGenerated", "UserAgent"],
                &["2026-11-01T08:00:30Z", &text],
            ),
            "JSON of another kind",
        ),
        (json!([[text]]).to_string(), "JSON of another kind"),
        (
            json!({"rows": [[text]]}).to_string(),
            "JSON of another kind",
        ),
        (
            format!("[{{\"data\":{}}}]", json!(text)),
            "JSON of another kind",
        ),
    ] {
        let (answer, code) = answer(&[], input.as_bytes());
        assert_eq!(code, Some(1), "{input}");
        assert_eq!(answer["entries"], json!([]), "{input}");
        assert_eq!(answer["input"]["requests"], 0, "{input}");
        assert_eq!(answer["input"]["unread"][0]["why"], why, "{input}");
    }
    let from_syslog: String = records()
        .iter()
        .map(|record| format!("Nov  1 08:00:30 vm1 azure-proxy-agent[9]: {record}\n"))
        .collect();
    assert_eq!(
        answered(&[], from_syslog.as_bytes())["input"]["requests"],
        3
    );
}

#[test]
fn exports_of_other_programs_are_read_too() {
    let rows: Vec<_> = records()
        .iter()
        .map(|record| json!([record.to_string(), "vm1"]))
        .collect();
    let values = |delimiter: char| -> String {
        let rows = records().into_iter().map(|record| {
            let quoted = record.to_string().replace('"', "\"\"");
            format!("\"{quoted}\"{delimiter}vm1\n")
        });
        let head = format!("RawData{delimiter}Computer\n");
        [head].into_iter().chain(rows).collect()
    };
    let named = json!([{"name": "RawData"}, {"name": "Computer"}]);
    let older = json!([{"ColumnName": "RawData"}, {"ColumnName": "Computer"}]);
    for input in [
        format!("\u{feff}{:#}", json!(records())),
        json!({"value": records()}).to_string(),
        json!({"x": 1, "records": records(), "y": [1]}).to_string(),
        json!({"tables": [{"rows": rows, "columns": named, "name": "x"}]}).to_string(),
        json!({"columns": named, "rows": rows}).to_string(),
        json!({"Tables": [{"TableName": "x", "Columns": older, "Rows": rows}]}).to_string(),
        json!({"columns": ["RawData", "Computer"], "rows": rows}).to_string(),
        values(';'),
        values('\t'),
        format!("\u{feff}{}", values(',')),
    ] {
        let answer = answered(&[], input.as_bytes());
        assert_eq!(answer["input"]["requests"], 3, "{input}");
        assert_eq!(answer["input"]["unread"], json!([]), "{input}");
    }
}

#[test]
fn records_that_lost_their_line_break_are_all_counted() {
    let one_line: String = records().iter().map(Value::to_string).collect();
    let answer = answered(&[], one_line.as_bytes());
    assert_eq!(answer["input"]["requests"], 3);
    assert_eq!(answer["input"]["lines"], 3);
}

#[test]
fn ids_of_one_file_say_nothing_of_another() {
    let folder = TempDir::new().unwrap();
    let (first, second) = (folder.path().join("a"), folder.path().join("b"));
    let parts = [
        "Got request from 127.0.0.1:1 for GET /metadata/instance",
        "Use lookup value:169.254.169.254:80.",
        r#"{"userName":"alice","processFullPath":"/opt/app","runAsElevated":false}"#,
        "Http connection finished with status code: 200 OK.",
    ];
    let lines = |parts: &[&str]| -> String {
        let line = |part: &&str| format!("2026-11-01T08:00:01.054 [TRACE]   0[1] - {part}\n");
        parts.iter().map(line).collect()
    };
    fs::write(&first, lines(&parts)).unwrap();
    fs::write(&second, log_of(&records())).unwrap();
    let both = [first.to_str().unwrap(), second.to_str().unwrap()];
    let input = &answered(&both, b"")["input"];
    assert_eq!(
        (&input["requests"], &input["duplicates"]),
        (&json!(4), &json!(0))
    );
    // Without its destination a request is known to be missing, in whichever file it was.
    fs::write(&first, lines(&[parts[0], parts[2], parts[3]])).unwrap();
    let input = &answered(&both, b"")["input"];
    assert_eq!(
        (&input["requests"], &input["incomplete"]),
        (&json!(3), &json!(1))
    );
}

#[test]
fn request_that_was_seen_once_is_not_made_two_by_reading_it_twice() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let write = |name: &str, text: &str| fs::write(path(name), text).unwrap();
    let audit = json!({"version": 1, "sequence": 7, "run": "r", "time": "2026-11-23T10:00:00Z", "kind": "imds",
        "method": "GET", "target": "/metadata/identity/oauth2/token?resource=a", "caller": {"euid": 5,
        "root": false, "user": "alice", "executable": "/opt/app"}, "outcome": "forwarded", "status": 200});
    for line in [log_of(&records()[..1]), format!("{audit}\n")] {
        write("one", &line);
        write("copy", &line);
        let packed = fs::File::create(path("packed.gz")).unwrap();
        let mut encoder = GzEncoder::new(packed, Compression::fast());
        encoder.write_all(line.as_bytes()).unwrap();
        encoder.finish().unwrap();
        let files = [path("one"), path("copy"), path("packed.gz")];
        let files: Vec<_> = files.iter().map(String::as_str).collect();
        let answer = answered(&files, b"");
        assert_eq!(answer["input"]["requests"], 1, "{line}");
        assert_eq!(answer["input"]["duplicates"], 2, "{line}");
        assert_eq!(answer["entries"][0]["state"], "needsDecision");
        let twice = learn(&[&path("one"), &path("./one")], b"");
        assert_eq!(twice.status.code(), Some(64), "{twice:?}");
        fs::hard_link(path("one"), path("link")).unwrap();
        let twice = learn(&[&path("one"), &path("link")], b"");
        assert_eq!(twice.status.code(), Some(64), "{twice:?}");
        fs::remove_file(path("link")).unwrap();
    }
}

#[test]
fn file_that_breaks_off_is_told_and_the_rest_is_learned() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(log_of(&records()).as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let whole = log();
    let document = json!({"value": records()}).to_string();
    for (broken, requests) in [
        (&packed[..packed.len() - 4], 3),
        (&[&packed[..], &[0; 64]].concat(), 3),
        (&packed[..packed.len() / 2], 0),
        (&document.as_bytes()[..document.len() - 9], 2),
    ] {
        fs::write(path("a"), broken).unwrap();
        fs::write(path("b"), &whole).unwrap();
        let arguments = ["--format", "json", &path("a"), &path("b")];
        let output = learn(&arguments, b"");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(
            said(&output.stderr).contains(&format!("read {} to its end", path("a"))),
            "{output:?}"
        );
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let whole = answered(&[], &log())["input"]["requests"].as_u64().unwrap();
        assert!(
            answer["input"]["requests"].as_u64().unwrap() >= whole + requests,
            "{output:?}"
        );
        assert_eq!(answer["input"]["brokenOff"], json!([path("a")]));
    }
    let told = learn(&["--output", &path("into"), &path("a"), &path("b")], b"");
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    assert!(
        said(&told.stdout).contains("was not read to its end"),
        "{told:?}"
    );
}

/// A caller without a name in a unit, as two programs: by unit and number alone he is everybody for
/// agents that know neither.
fn nameless(sequence: u64, executable: &str) -> Value {
    json!({"version": 1, "sequence": sequence, "run": "0123456789abcdef", "time": "2026-11-23T10:00:00Z", "durationUs": 1,
        "endpoint": "imds", "kind": "imds", "destination": "169.254.169.254:80", "method": "GET",
        "target": "/metadata/instance", "caller": {"pid": 7, "startTimeNs": 9, "uid": 999, "gid": 999,
            "euid": 999, "egid": 999, "root": false, "user": null, "groups": [], "executable": executable,
            "comm": "app", "cgroup": 4711, "unit": "app.service", "executableState": "present"},
        "mode": "Audit", "rules": null, "rule": "default", "outcome": "forwarded", "reason": null,
        "wouldRefuse": null, "signed": true, "status": 200})
}

#[test]
fn forms_for_deployed_agents_are_refused_where_they_let_more_through() {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("profiles");
    let version = ["--form", "version", "--location", "here"];
    let arguments = [&version[..], &["--output", into.to_str().unwrap()]].concat();
    for arguments in [&arguments[..], &["--form", "local"]] {
        let output = learn(arguments, &log());
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let told = said(&output.stderr);
        for part in ["lets more through", "/methods", "--allow-widening"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(output.stdout.is_empty() && !into.exists());
    }
    let lines: String = [nameless(1, "/opt/a"), nameless(2, "/opt/b")]
        .map(|record| format!("{record}\n"))
        .concat();
    let version = [&version[..], &["--allow-widening"]].concat();
    let identities = &answered(&version, lines.as_bytes())["profiles"]["imds"]["properties"]["rules"]
        ["identities"];
    let paths = identities.as_array().unwrap().iter();
    let paths: Vec<_> = paths.map(|identity| &identity["exePath"]).collect();
    assert_eq!(paths, ["/opt/a", "/opt/b"], "not everybody");
}
