//! `latchkey simulate`.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde_json::Value;

use crate::ran::{Ran, item, latchkey, written};

const VECTORS: &str = include_str!("../../../policy/testdata/authorization.json");
const DIFFERENCES: &str = include_str!("../../../policy/testdata/authorization_differences.json");

fn request(user: &str) -> String {
    format!(
        r#"{{"id":"{user}","endpoint":"imds","method":"GET","target":"/metadata/instance","caller":{{"userName":"{user}"}}}}"#
    )
}

/// Returns an audit record of a request that was forwarded.
fn record(sequence: u64, user: &str) -> String {
    format!(
        r#"{{"version":1,"sequence":{sequence},"run":"r","time":"2026-01-01T00:00:00Z","durationUs":1,"endpoint":"imds","kind":"imds","destination":"d","method":"GET","target":"/metadata/instance","caller":{{"pid":1,"startTimeNs":1,"uid":7,"gid":7,"euid":7,"egid":7,"root":false,"user":"{user}","groups":[],"executable":"/x","comm":"x","cgroup":1}},"mode":"Audit","rules":"1","rule":"default","outcome":"forwarded","reason":null,"wouldRefuse":null,"signed":true,"status":200}}"#
    )
}

/// Simulates alice's profile, or more arguments, over requests on standard input.
fn simulate(input: &str, arguments: &[&str]) -> Ran {
    let profile = written(&item("Enforce", "alice"));
    let path = profile.path().to_str().unwrap();
    let fixed = ["simulate", "--profile", path, "--requests", "-"];
    latchkey(&[&fixed[..], arguments].concat(), input)
}

fn answers(ran: &Ran) -> Vec<Value> {
    let lines = ran.out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn line_begins_with_id_verdict_reason_and_rule() {
    let input = format!("{}\n\n{}", request("alice"), request("bob"));
    let ran = simulate(&input, &["--format", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let expected = concat!(
        r#"{"id":"alice","verdict":"allow","reason":null,"rule":"privilege `instance` for identity `who`"}"#,
        "\n",
        r#"{"id":"bob","verdict":"deny","reason":"caller_not_assigned","rule":"privilege `instance`"}"#,
        "\n"
    );
    assert_eq!(ran.out, expected);
}

#[test]
fn what_was_allowed_and_would_be_refused_is_code_2() {
    let other = written(&item("Enforce", "bob"));
    let other = other.path().to_str().unwrap();
    for (input, arguments, code) in [
        (request("bob"), &[][..], 0),
        (request("bob"), &["--current", other], 2),
        (request("alice"), &["--current", other], 0),
        (
            request("alice"),
            &["--current", other, "--fail-on", "new-allow"],
            2,
        ),
        (
            request("bob"),
            &["--current", other, "--fail-on", "new-allow"],
            0,
        ),
        (
            request("bob"),
            &["--current", other, "--fail-on", "new-allow,new-deny"],
            2,
        ),
        (record(1, "bob"), &[], 2),
        (record(1, "alice"), &[], 0),
        (record(1, "bob"), &["--fail-on", "new-allow"], 0),
    ] {
        let ran = simulate(&input, arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
    }
}

#[test]
fn nothing_to_compare_with_is_never_code_2() {
    let never_judged = record(1, "bob")
        .replace("\"forwarded\"", "\"refused\"")
        .replace("\"reason\":null", "\"reason\":\"audit_queue_full\"");
    for (input, fail_on) in [
        (request("bob"), "new-deny"),
        (request("alice"), "new-allow"),
        (never_judged.clone(), "new-deny,new-allow"),
        (never_judged.replace("bob", "alice"), "new-deny,new-allow"),
    ] {
        let ran = simulate(&input, &["--fail-on", fail_on]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("nothing to compare with"), "{ran:?}");
    }
}

#[test]
fn recorded_refusal_that_would_be_let_through_is_code_2_if_asked_for() {
    let refused = record(1, "alice")
        .replace("\"forwarded\"", "\"refused\"")
        .replace("\"reason\":null", "\"reason\":\"caller_not_assigned\"");
    for (arguments, code) in [(&[][..], 0), (&["--fail-on", "new-allow"], 2)] {
        let ran = simulate(&refused, arguments);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.out.contains("1 that were refused would be let through"));
    }
}

#[test]
fn candidate_in_audit_refuses_nothing_until_it_is_tried_in_enforce() {
    let audit = written(&item("Audit", "alice"));
    let audit = audit.path().to_str().unwrap();
    let input = format!("{}\n{}\n", record(1, "alice"), record(2, "bob"));
    for (mode, code, says) in [
        (&[][..], 0, "1 allow, 1 audit, 0 deny"),
        (&["--mode", "audit"], 0, "1 allow, 1 audit, 0 deny"),
        (&["--mode", "enforce"], 2, "1 allow, 0 audit, 1 deny"),
    ] {
        let fixed = ["simulate", "--requests", "-", "--profile", audit];
        let ran = latchkey(&[&fixed[..], mode].concat(), &input);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.out.contains(says), "{ran:?}");
    }
    // What is in force now stays what it is: bob was let through by it, and would not be.
    let both = ["--current", audit, "--mode", "enforce"];
    let fixed = ["simulate", "--requests", "-", "--profile", audit];
    let ran = latchkey(&[&fixed[..], &both].concat(), &request("bob"));
    assert_eq!(ran.code, 2, "{ran:?}");
    let without_profile = ["simulate", "--requests", "-", "--mode", "enforce"];
    assert_eq!(latchkey(&without_profile, "").code, 64);
}

#[test]
fn summary_names_who_would_be_refused_how_often_and_by_what() {
    let records: String = (1..=5)
        .map(|at| record(at, if at < 4 { "bob" } else { "alice" }) + "\n")
        .collect();
    let ran = simulate(&records, &[]);
    assert_eq!(ran.code, 2, "{ran:?}");
    for says in [
        "5 requests: 2 allow, 0 audit, 3 deny, 0 error",
        "3 that were let through would be refused",
        "bob /x: 3 of 3 requests",
        "3 deny caller_not_assigned by privilege `instance`: imds GET /metadata/instance",
    ] {
        assert!(ran.out.contains(says), "{says}: {}", ran.out);
    }
    assert!(!ran.out.contains("alice"), "{}", ran.out);
}

#[test]
fn requests_come_in_lines_arrays_vectors_and_gzip() {
    let (alice, bob) = (request("alice"), request("bob"));
    let pretty = serde_json::from_str::<Value>(&alice).unwrap();
    for (input, lines) in [
        (format!("[{alice},{bob}]"), 2),
        (format!("{{\"vectors\":[{alice},{bob}]}}"), 2),
        (format!("{{\n\"vectors\": [\n{alice},\n{bob}]}}"), 2),
        (serde_json::to_string_pretty(&pretty).unwrap(), 1),
        (format!("\r\n{alice}\r\n{bob}\r\n"), 2),
        (format!("{}\n{alice}\n", record(1, "bob")), 2),
    ] {
        let ran = simulate(&input, &["--format", "json"]);
        let answers = answers(&ran);
        assert_eq!(answers.len(), lines, "{input}: {ran:?}");
        assert!(
            answers.iter().all(|answer| answer["verdict"] != "error"),
            "{ran:?}"
        );
    }
    let mut file = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    file.write_all(alice.as_bytes()).unwrap();
    let mut packed = tempfile::NamedTempFile::new().unwrap();
    packed.write_all(&file.finish().unwrap()).unwrap();
    let profile = written(&item("Enforce", "alice"));
    let arguments = [
        "simulate",
        "--profile",
        profile.path().to_str().unwrap(),
        "--requests",
        packed.path().to_str().unwrap(),
        packed.path().to_str().unwrap(),
        "--format",
        "json",
    ];
    assert_eq!(answers(&latchkey(&arguments, "")).len(), 2);
}

#[test]
fn what_cannot_be_judged_has_a_line_that_says_why() {
    let bad_profile = request("x").replace("\"caller\"", "\"profile\":{\"mode\":1},\"caller\"");
    let other = request("y").replace("imds", "other");
    let input = format!(
        "{{oops\n{bad_profile}\n{other}\n{{\"id\":7}}\n{}",
        request("alice")
    );
    let ran = simulate(&input, &["--format", "json"]);
    let answers = answers(&ran);
    let verdicts: Vec<_> = answers.iter().map(|answer| &answer["verdict"]).collect();
    assert_eq!(
        verdicts,
        ["error", "error", "error", "error", "allow"],
        "{ran:?}"
    );
    let ids: Vec<_> = answers.iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(
        ids,
        [
            Value::Null,
            "x".into(),
            "y".into(),
            7.into(),
            Value::from("alice")
        ]
    );
    assert_eq!(answers[0]["line"], 1);
    assert_eq!(answers[4].get("line"), None);
    assert_eq!(answers[2]["reason"], "unknown_endpoint");
    for (answer, says) in
        answers
            .iter()
            .zip(["no JSON", "cannot be read", "`other`", "missing field"])
    {
        let problem = answer["problem"].as_str().unwrap();
        assert!(problem.contains(says), "{problem}");
    }
    assert_eq!(ran.code, 1, "{ran:?}");
}

#[test]
fn profile_of_a_line_with_a_name_twice_is_an_error_in_lines_and_documents() {
    let with = |profile: &str| {
        request("d").replace("\"caller\"", &format!("\"profile\":{profile},\"caller\""))
    };
    let once = with(r#"{"defaultAccess":"allow","mode":"enforce","id":"s"}"#);
    let twice =
        with(r#"{"defaultAccess":"deny","defaultAccess":"allow","mode":"enforce","id":"s"}"#);
    let method = once.replace("\"method\"", "\"method\":\"PUT\",\"method\"");
    for (line, verdict) in [(once, "allow"), (twice, "error"), (method, "error")] {
        for input in [
            line.clone(),
            format!("{{\"vectors\":[{line}]}}"),
            format!("[{line}]"),
        ] {
            let ran = latchkey(&["simulate", "--requests", "-", "--format", "json"], &input);
            let answers = answers(&ran);
            assert_eq!(answers.len(), 1, "{input}: {ran:?}");
            assert_eq!(answers[0]["verdict"], verdict, "{input}: {ran:?}");
            assert_eq!(answers[0]["id"], "d", "{input}: {ran:?}");
        }
    }
}

#[test]
fn every_line_is_answered_whatever_is_wrong_with_another() {
    let (alice, bob) = (request("alice"), request("bob"));
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(17 << 20));
    let field = alice.replace("{\"id\"", "{\"vectors\":[1],\"id\"");
    for (input, expected) in [
        (
            format!("{{\"id\":1,\"endpoint\":\n{bob}\n{alice}"),
            "1 error, bob deny, alice allow",
        ),
        (
            format!("\n{{\"id\":\n{{\"id\":\n{alice}\n"),
            "2 error, 3 error, alice allow",
        ),
        ("{\"id\":1,".to_owned(), "1 error"),
        (format!("{field}\n{bob}"), "alice allow, bob deny"),
        (format!("\u{feff}{alice}\n{bob}"), "alice allow, bob deny"),
        (
            format!("{alice}\n{long}\n{bob}"),
            "alice allow, 2 error, bob deny",
        ),
        (format!("[{alice},\n7]"), "alice allow, 2 error"),
    ] {
        let ran = simulate(&input, &["--format", "json"]);
        let said: Vec<_> = answers(&ran)
            .iter()
            .map(|answer| {
                let name = answer["id"].as_str().map(str::to_owned);
                let name = name.unwrap_or_else(|| answer["line"].to_string());
                format!("{name} {}", answer["verdict"].as_str().unwrap())
            })
            .collect();
        assert_eq!(said.join(", "), expected, "{}", ran.err);
        assert_eq!(
            ran.code,
            i32::from(expected.contains("error")),
            "{}",
            ran.err
        );
    }
}

#[test]
fn gate_does_not_open_when_requests_cannot_be_judged() {
    let other = written(&item("Enforce", "bob"));
    let other = other.path().to_str().unwrap();
    let elsewhere = format!("wireserver={other}");
    let newer = record(1, "alice").replace("\"version\":1", "\"version\":2");
    let own = request("x").replace("\"caller\"", "\"profile\":{},\"caller\"");
    for (input, arguments, code) in [
        ("garbage\ngarbage".to_owned(), &["--current", other][..], 1),
        ("garbage".to_owned(), &[], 1),
        (request("x").replace("imds", "other"), &[], 1),
        (newer, &[], 1),
        (
            record(1, "alice").replace("\"kind\":\"imds\"", "\"kind\":null"),
            &[],
            1,
        ),
        // Nobody lets a malformed request through.
        (
            record(1, "alice").replace("\"target\":\"/metadata/instance\"", "\"target\":null"),
            &[],
            0,
        ),
        // What is found says more than what is not.
        (format!("garbage\n{}", record(1, "bob")), &[], 2),
        // That a case cannot be judged is the answer to it.
        (own, &[], 0),
    ] {
        let ran = simulate(&input, arguments);
        assert_eq!(ran.code, code, "{input} {arguments:?}: {ran:?}");
    }
    let arguments = ["simulate", "--profile", &elsewhere, "--requests", "-"];
    assert_eq!(latchkey(&arguments, &record(1, "alice")).code, 1);
    let arguments = ["simulate", "--requests", "-"];
    assert_eq!(latchkey(&arguments, &record(1, "alice")).code, 1);
}

#[test]
fn requests_without_any_profile_are_answered_with_a_warning() {
    let input = format!("{}\n{}", request("alice"), request("bob"));
    let ran = latchkey(&["simulate", "--requests", "-"], &input);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.err.contains("no profile is given for 2 requests"),
        "{ran:?}"
    );
    assert_eq!(simulate(&input, &[]).err, "");
}

#[test]
fn record_has_the_id_that_observe_shows() {
    let ran = simulate(&record(7, "alice"), &["--format", "json"]);
    assert_eq!(answers(&ran)[0]["id"], "r-7");
}

#[test]
fn records_are_judged_at_their_own_time() {
    let profile = item("Audit", "alice").replace(
        "\"id\"",
        "\"auditUntil\": \"2026-01-01T00:00:00Z\",\n  \"id\"",
    );
    let profile = written(&profile);
    let path = profile.path().to_str().unwrap();
    let before = record(1, "bob").replace("2026-01-01", "2025-01-01");
    let input = format!("{before}\n{}\n{before}\n", record(2, "bob"));
    let arguments = [
        "simulate",
        "--profile",
        path,
        "--requests",
        "-",
        "--format",
        "json",
    ];
    let ran = latchkey(&arguments, &input);
    let answers = answers(&ran);
    let verdicts: Vec<_> = answers.iter().map(|answer| &answer["verdict"]).collect();
    assert_eq!(verdicts, ["audit", "deny", "audit"], "{ran:?}");
}

#[test]
fn profile_of_one_endpoint_says_nothing_of_another() {
    let profile = written(&item("Enforce", "alice"));
    let named = format!("wireserver={}", profile.path().to_str().unwrap());
    let arguments = [
        "simulate",
        "--profile",
        &named,
        "--requests",
        "-",
        "--format",
        "json",
    ];
    let ran = latchkey(&arguments, &request("alice"));
    assert_eq!(answers(&ran)[0]["verdict"], "error", "{ran:?}");
}

#[test]
fn wrong_command_lines_and_files() {
    assert_eq!(latchkey(&["simulate"], "").code, 64);
    let twice = ["simulate", "--profile", "-", "--requests", "-"];
    assert_eq!(latchkey(&twice, "").code, 64);
    assert_eq!(
        latchkey(&["simulate", "--requests", "/nowhere"], "").code,
        1
    );
    let invalid = written("{}");
    let path = invalid.path().to_str().unwrap();
    let arguments = ["simulate", "--profile", path, "--requests", "-"];
    assert_eq!(latchkey(&arguments, "").code, 3);
    assert_eq!(latchkey(&["simulate", "--requests", "-"], "[1,\n2").code, 3);
}

/// Answers and refusals: an error is none of the former.
fn is_let_through(verdict: &str) -> &str {
    match verdict {
        "allow" | "audit" => verdict,
        _ => "refuse",
    }
}

#[test]
fn vectors_are_answered_as_the_deployed_agent_does_but_for_the_listed_differences() {
    let ran = latchkey(
        &["simulate", "--requests", "-", "--format", "json"],
        VECTORS,
    );
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ours: BTreeMap<String, String> = answers(&ran)
        .iter()
        .map(|answer| {
            let text = |name: &str| answer[name].as_str().unwrap().to_owned();
            (text("id"), text("verdict"))
        })
        .collect();
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let known: Value = serde_json::from_str(DIFFERENCES).unwrap();
    let vectors = vectors["vectors"].as_array().unwrap();
    assert_eq!(ours.len(), vectors.len());
    for vector in vectors {
        let id = vector["id"].as_str().unwrap();
        let listed = known["differences"].get(id).or(known["foreseen"].get(id));
        let expected = listed.map_or(&vector["verdict"], |listed| &listed["ours"]);
        let expected = is_let_through(expected.as_str().unwrap());
        assert_eq!(is_let_through(&ours[id]), expected, "{id}");
    }
}
