//! Every form of line, as it is really written.

use latchkey_protocol::EndpointKind;
use serde_json::{Value, json};

use super::*;
use crate::learn::{Script, Source, Verdict};

/// The deployed agent's record, as it serializes one.
const RECORD: &str = r#"{"id":12,"method":"GET","url":"/metadata/instance?api-version=2018-02-01","clientIp":"127.0.0.1","clientPort":40123,"ip":"169.254.169.254","port":80,"userId":1000,"userName":"alice","userGroups":["alice","dev"],"processFullPath":"/usr/bin/curl","processCmdLine":"curl -H Metadata: true","runAsElevated":false,"responseStatus":"200 OK","elapsedTime":3,"errorDetails":""}"#;

fn sample(line: Line<'_>) -> Sample<'static> {
    match line {
        Line::Sample(sample, _) => sample.into_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn record_is_read_alone_and_behind_a_header() {
    let alone = sample(read_line(RECORD.as_bytes()));
    assert_eq!(alone.endpoint, EndpointKind::Imds);
    assert_eq!((alone.status, alone.time), (Some(200), None));
    assert_eq!(alone.caller.user.as_deref(), Some("alice"));
    let text = format!("2026-11-23T10:45:58.054 [INFO]    12[7] - {RECORD}\r");
    let line = read_line(text.as_bytes());
    assert!(matches!(
        line,
        Line::Sample(_, Some(RecordId::Request((12, 7))))
    ));
    let headed = sample(line);
    assert_eq!(headed.time, "2026-11-23T10:45:58.054Z".parse().ok());
    let syslog = format!("Nov 23 10:45:58 vm azure-proxy-agent[123]: {RECORD}");
    assert_eq!(sample(read_line(syslog.as_bytes())), alone);
}

#[test]
fn record_in_an_event_is_read_at_the_event_time() {
    let event = json!({"EventLevel": "INFO", "Message": RECORD, "Version": "9.9.9", "TaskName": "t",
        "EventPid": "1", "EventTid": "2", "OperationId": "m", "TimeStamp": "2026-11-23T10:45:58.095"});
    let sample = sample(read_line(event.to_string().as_bytes()));
    assert_eq!(sample.time, "2026-11-23T10:45:58.095Z".parse().ok());
}

#[test]
fn audit_record_says_what_enforce_would_do() {
    let record = |outcome: &str, would_refuse: Value| {
        json!({"version": 1, "sequence": 1, "run": "r", "time": "2026-11-23T10:00:00Z", "durationUs": 1,
            "endpoint": "imds", "kind": "imds", "destination": "169.254.169.254:80", "method": "GET",
            "target": "/metadata/instance", "caller": {"pid": 1, "startTimeNs": 1, "uid": 0, "gid": 0,
            "euid": 5, "egid": 0, "root": false, "user": "alice", "groups": [], "executable": "/usr/bin/python3",
            "comm": "x", "cgroup": 1, "unit": "app.service", "script": "/opt/a.py", "flags": ["traced"]},
            "mode": "Audit", "rules": null, "rule": null, "outcome": outcome, "reason": null,
            "wouldRefuse": would_refuse, "signed": true, "status": 200})
        .to_string()
    };
    for (outcome, would_refuse, verdict) in [
        ("forwarded", Value::Null, Verdict::Forwarded),
        ("forwarded", json!("no_matching_rule"), Verdict::Forwarded),
        ("forwarded", json!("caller_not_assigned"), Verdict::Withheld),
        ("forwarded", json!("dot_segment"), Verdict::Refused),
        ("refused", Value::Null, Verdict::Refused),
        ("abandoned", Value::Null, Verdict::Failed),
    ] {
        let sample = sample(read_line(record(outcome, would_refuse).as_bytes()));
        assert_eq!(sample.verdict, verdict, "{outcome}");
        assert_eq!(
            sample.caller.script,
            Some(Script::Executed("/opt/a.py".into()))
        );
    }
    let other = record("forwarded", Value::Null).replace("\"version\":1", "\"version\":2");
    assert_eq!(
        read_line(other.as_bytes()),
        Line::Unread(Unread::UnknownVersion)
    );
}

#[test]
fn real_audit_record_is_read() {
    let record = latchkey_record::AuditRecord {
        version: latchkey_record::audit::AUDIT_VERSION,
        sequence: 1,
        run: "r".to_owned(),
        time: "2026-11-23T10:00:00Z".parse().unwrap(),
        duration_us: 1,
        endpoint: Some("hostga".into()),
        kind: Some(EndpointKind::HostGa),
        destination: None,
        method: Some("GET".to_owned()),
        target: Some("/versions".to_owned()),
        caller: Some(latchkey_record::CallerRecord::default().into()),
        mode: None,
        rules: None,
        rule: None,
        outcome: latchkey_record::audit::Outcome::Forwarded,
        reason: None,
        would_refuse: None,
        signed: true,
        status: Some(200),
    };
    let text = serde_json::to_string(&record).unwrap();
    let sample = sample(read_line(text.as_bytes()));
    assert_eq!(
        (sample.endpoint, sample.status),
        (EndpointKind::HostGa, Some(200))
    );
}

#[test]
fn summary_of_the_status_is_a_caller() {
    let text = r#"{"userName":"root","ip":"168.63.129.16","port":32526,"processCmdLine":"c","responseStatus":"200 OK","count":11,"userGroups":["root"],"processFullPath":"/usr/bin/c"}"#;
    let Line::Caller(caller) = read_line(text.as_bytes()) else {
        panic!("{text}")
    };
    assert_eq!((caller.endpoint, caller.count), (EndpointKind::HostGa, 11));
}

#[test]
fn lines_that_are_no_record_are_named() {
    for (line, why) in [
        ("words", Unread::NoRecord),
        ("{\"url\":", Unread::BrokenJson),
        ("{\"url\":5}", Unread::BrokenJson),
        ("{\"a\":1}", Unread::UnknownForm),
        (
            "{\"url\":\"/x\",\"ip\":\"10.0.0.1\",\"port\":80}",
            Unread::UnknownEndpoint,
        ),
        (
            "{\"url\":\"/x\",\"ip\":\"169.254.169.254\",\"port\":80}",
            Unread::Incomplete,
        ),
    ] {
        assert_eq!(read_line(line.as_bytes()), Line::Unread(why), "{line}");
    }
    assert_eq!(read_line(b"\xff"), Line::Unread(Unread::NotUtf8));
    assert_eq!(
        read_line(&vec![b' '; MAX_LINE_BYTES + 1]),
        Line::Unread(Unread::TooLong)
    );
    assert_eq!(read_line(b" \r\n"), Line::Blank);
}

#[test]
fn rows_are_read_with_spread_columns_and_with_a_message() {
    let spread = json!({"TimeGenerated": "2026-11-23T10:00:00Z", "method_s": "GET", "url_s": "/metadata/instance",
        "ip_s": "169.254.169.254", "port_d": 80.0, "userName_s": "alice", "userGroups_s": "[\"a\"]",
        "processFullPath_s": "/usr/bin/curl", "runAsElevated_b": "False", "responseStatus_s": "200 OK"});
    let message =
        json!({"TimeGenerated": "2026-11-23T10:00:00Z", "Level": "Info", "Context1": RECORD});
    // Comma-separated values have texts alone.
    let mut texts = spread.clone();
    texts["port_d"] = json!("80.0");
    for row in [spread, texts, message] {
        let Value::Object(row) = row else {
            panic!("a row is an object")
        };
        let sample = sample(read_row(row));
        assert_eq!(sample.source, Source::DeployedRecord);
        assert_eq!(sample.time, "2026-11-23T10:00:00Z".parse().ok());
    }
}

#[test]
fn record_in_the_text_of_another_is_none() {
    for line in [
        format!("Nov  1 08:00:30 vm1 sshd[99]: Invalid user {RECORD} from 203.0.113.9 port 4711"),
        format!("Nov  1 08:00:30 vm1 sshd[99]: {RECORD}"),
        format!("2026-11-01T08:00:30Z vm1 sshd[99]: {RECORD}"),
        format!("Nov  1 08:00:30 vm1 sshd[99]: azure-proxy-agent[1]: {RECORD}"),
        format!("Nov  1 08:00:30 vm1 azure-proxy-agent[1]: text {RECORD}"),
        format!("2026-11-01T08:00:30.054 [WARN]    something about process {RECORD}"),
        format!("2026-11-01T08:00:30.054 something about process {RECORD}"),
        format!("words {RECORD}"),
    ] {
        let read = read_line(line.as_bytes());
        assert_eq!(read, Line::Unread(Unread::NoRecord), "{line}");
    }
    for line in [
        format!("{RECORD} from 203.0.113.9"),
        format!("2026-11-01T08:00:30.054 [INFO]    1[1] - {RECORD} from 203.0.113.9"),
        format!("Nov  1 08:00:30 vm1 azure-proxy-agent[1]: {RECORD} x"),
        format!(
            "2026-11-01T08:00:30.054 [INFO]    1[1] - {RECORD}\r2026-11-01T08:00:31.054 [INFO]    2[1] - {RECORD}"
        ),
    ] {
        let read = read_line(line.as_bytes());
        assert_eq!(read, Line::Unread(Unread::MoreFollows), "{line}");
    }
}

#[test]
fn records_that_lost_their_line_break_are_all_told() {
    let unread = Line::Unread(Unread::MoreFollows);
    let line = format!("{RECORD}{RECORD} {{\"a\":1}}{RECORD}");
    let lines: Vec<_> = read_records(line.as_bytes()).collect();
    assert_eq!(lines.len(), 4);
    let samples = lines.iter().filter(|line| matches!(line, Line::Sample(..)));
    assert_eq!(samples.count(), 3);
    assert_eq!(read_line(line.as_bytes()), unread);
    // What is no record behind one spoils that one alone.
    let line = format!("{RECORD}{RECORD}x");
    let lines: Vec<_> = read_records(line.as_bytes()).collect();
    assert!(matches!(lines.as_slice(), [Line::Sample(..), last] if *last == unread));
    assert_eq!(read_records(b"").collect::<Vec<_>>(), [Line::Blank]);
}

#[test]
fn message_of_a_row_is_read_if_the_agent_wrote_it() {
    let headed = format!("2026-11-23T10:45:58.054 [INFO]    12[7] - {RECORD}");
    let unknown = Line::Unread(Unread::UnknownWriter);
    for (row, writer_is_known) in [
        (
            json!({"ProcessName": "sshd", "SyslogMessage": RECORD}),
            false,
        ),
        (json!({"ProcessName": "", "SyslogMessage": RECORD}), false),
        (json!({"ProcessName": null, "RawData": RECORD}), false),
        (json!({"SyslogMessage": RECORD}), false),
        (json!({"message": RECORD, "level": "info"}), false),
        (
            json!({"Source": "Other", "RenderedDescription": headed}),
            false,
        ),
        (
            json!({"Source": "Other", "ProcessName": "azure-proxy-agent", "Message": RECORD}),
            false,
        ),
        (
            json!({"ProcessName": "azure-proxy-agent", "SyslogMessage": RECORD}),
            true,
        ),
        (
            json!({"ProcessName_s": "azure-proxy-agent", "SyslogMessage": headed}),
            true,
        ),
        (
            json!({"Source": "GuestProxyAgent", "RenderedDescription": headed}),
            true,
        ),
        (json!({"TaskName": "t", "Message": RECORD}), true),
        (json!({"RawData": headed, "Message": "noise"}), true),
    ] {
        let line = row.to_string();
        let Value::Object(row) = row else {
            panic!("a row is an object")
        };
        for read in [read_row(row), read_line(line.as_bytes())] {
            assert_eq!(matches!(read, Line::Sample(..)), writer_is_known, "{line}");
            assert_eq!(read == unknown, !writer_is_known, "{line}");
        }
    }
}

#[test]
fn text_within_a_message_or_a_column_of_another_name_is_no_record() {
    for (row, expected) in [
        (
            json!({"UserAgent": RECORD}),
            Line::Unread(Unread::UnknownForm),
        ),
        (json!({"RawData": format!("login of {RECORD}")}), Line::Note),
        (
            json!({"RawData": format!("{RECORD} failed")}),
            Line::Unread(Unread::MoreFollows),
        ),
    ] {
        assert_eq!(read_line(row.to_string().as_bytes()), expected, "{row}");
    }
    // Rows in rows end somewhere.
    let mut row = json!({"RawData": RECORD});
    for _ in 0..9 {
        row = json!({"RawData": row.to_string()});
    }
    let text = row.to_string();
    let read = read_line(text.as_bytes());
    assert_eq!(read, Line::Unread(Unread::UnknownForm));
}

#[test]
fn machines_of_an_export_give_the_same_ids_to_other_requests() {
    let row = |machine: &str, text: &str| {
        let text = format!("2026-11-23T10:45:58.054 [INFO]    12[7] - {text}");
        let Value::Object(row) = json!({"Computer": machine, "RawData": text}) else {
            panic!("a row is an object")
        };
        read_row(row)
    };
    let claims = r#"{"userName":"root","processFullPath":"/usr/bin/a","runAsElevated":true}"#;
    let mut assembler = Assembler::default();
    let mut take = |machine, text| assembler.take(row(machine, text)).into_owned();
    take("vm1", "Got request from 127.0.0.1:1 for GET /a");
    take("vm1", "Use lookup value:169.254.169.254:80.");
    // Another machine's caller is not this request's.
    take("vm2", claims);
    let finished = "Http connection finished with status code: 200 OK.";
    assert_eq!(take("vm1", finished), Line::Note);
    assert!(matches!(take("vm2", RECORD), Line::Sample(..)));
    assert_eq!(assembler.incomplete(), 1);
}
