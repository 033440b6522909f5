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
        assert_eq!(output.status.code(), Some(1));
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
    ];
    let version = rules(&version);
    let imds = &version["imds"];
    assert_eq!(imds["properties"]["mode"], "Enforce");
    assert_eq!(imds["location"], "here");
    assert_eq!(imds["properties"]["targetLocations"][0]["name"], "here");
    assert!(rules(&["--form", "rules"])["imds"]["privileges"].is_array());
    assert!(rules(&["--form", "local"])["imds"].get("mode").is_none());
    let hostga = rules(&["--endpoint", "hostga"]);
    assert_eq!(
        hostga["hostga"]["rules"]["privileges"][0]["path"],
        "/status"
    );
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
        let location: &[&str] = if form == "version" {
            &["--location", "here"]
        } else {
            &[]
        };
        let arguments = [&["--output", into, "--form", form], location].concat();
        let output = learn(&arguments, &log());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        for name in ["imds.json", "wireserver.json"] {
            let output = Command::new(env!("CARGO_BIN_EXE_latchkey"))
                .args(["profile", "fmt", "--check"])
                .arg(folder.path().join(name))
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(0), "{form}: {output:?}");
        }
    }
}
