//! `latchkey profile`.

use std::fs;
use std::io::Write as _;

use serde_json::Value;

use crate::ran::{item, latchkey, written};

const TESTS: &str = "profile: imds.json
endpoint: imds
callers:
  alice: {userName: alice}
tests:
  - comment: alice reads the instance
    allow: {target: /metadata/instance, caller: alice}
  - comment: bob does not
    deny: {target: /metadata/instance, caller: {userName: bob}}
";

/// Runs tests beside a profile of alice's.
fn test(mode: &str, tests: &str, arguments: &[&str]) -> crate::ran::Ran {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("imds.json"), item(mode, "alice")).unwrap();
    let file = dir.path().join("imds.yaml");
    fs::write(&file, tests).unwrap();
    let fixed = ["profile", "test", file.to_str().unwrap()];
    latchkey(&[&fixed[..], arguments].concat(), "")
}

#[test]
fn cases_hold_whether_the_mode_enforces_them_or_not() {
    for mode in ["Enforce", "Audit"] {
        let ran = test(mode, TESTS, &[]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.ends_with("2 cases hold, 0 fail\n"), "{ran:?}");
    }
}

#[test]
fn failing_case_is_named_with_its_line_and_the_reason() {
    let tests = TESTS.replace("{userName: bob}", "alice");
    let ran = test("Enforce", &tests, &[]);
    assert_eq!(ran.code, 2, "{ran:?}");
    for says in [
        "FAILED",
        ":8: bob does not",
        "expected deny",
        "ALLOW",
        "`instance`",
    ] {
        assert!(ran.out.contains(says), "{says}: {}", ran.out);
    }
    let ran = test("Enforce", &tests, &["--format", "json"]);
    let case: Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!(
        (case["holds"].as_bool(), case["line"].as_u64()),
        (Some(false), Some(8))
    );
}

#[test]
fn mistake_in_a_file_of_tests_is_shown_at_its_line() {
    for (from, to, place, says) in [
        ("userName: bob", "username: bob", ":9:", "no attribute"),
        ("caller: alice", "caller: carol", ":7:", "no caller `carol`"),
        ("    deny:", "    denies:", ":9:", "denies"),
        ("endpoint: imds", "endpoint: metadata", ":2:", "metadata"),
        (
            "    deny:",
            "    allow: {target: /a, caller: alice}\n    deny:",
            ":8:",
            "either",
        ),
    ] {
        let ran = test("Enforce", &TESTS.replace(from, to), &[]);
        assert_eq!(ran.code, 3, "{to}: {ran:?}");
        assert!(
            ran.err.contains(place) && ran.err.contains(says),
            "{to}: {}",
            ran.err
        );
    }
}

#[test]
fn file_without_cases_is_a_mistake() {
    let (before, _) = TESTS.split_once("tests:").unwrap();
    let ran = test("Enforce", &format!("{before}tests: []\n"), &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("there are no cases"), "{ran:?}");
}

#[test]
fn refusal_before_the_rules_holds_only_if_it_is_asked_for() {
    let deny = "deny: {target: /metadata/instance, caller: {userName: bob}}";
    for (to, code) in [
        ("deny: {target: nopath, caller: alice}", 2),
        (
            "deny: {method: get, target: /metadata/instance, caller: alice}",
            2,
        ),
        (
            "reason: malformed_target\n    deny: {target: nopath, caller: alice}",
            0,
        ),
        (
            "reason: dot_segment\n    deny: {target: nopath, caller: alice}",
            2,
        ),
        ("deny: {target: /metadata/%2e%2e/x, caller: alice}", 0),
        (
            "reason: dot_segment\n    allow: {target: /metadata/instance, caller: alice}",
            3,
        ),
    ] {
        let ran = test("Enforce", &TESTS.replace(deny, to), &[]);
        assert_eq!(ran.code, code, "{to}: {ran:?}");
    }
}

#[test]
fn profile_that_is_no_text_is_a_finding_at_its_place() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"{\n \"id\": \"\xff\"}").unwrap();
    let path = file.path().to_str().unwrap();
    let ran = latchkey(&["profile", "lint", path, "--format", "json"], "");
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    let found = &answer["files"][0]["findings"][0];
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(
        (&found["code"], &found["line"]),
        (&"not_utf8".into(), &2.into())
    );
    assert_eq!(
        (&answer["errors"], &found["column"]),
        (&1.into(), &9.into())
    );
    let ran = latchkey(&["profile", "show", path], "");
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains(":2:9"), "{ran:?}");
}

#[test]
fn formatting_keeps_what_is_said_and_is_done_once() {
    let file = written(&item("Enforce", "alice"));
    let path = file.path().to_str().unwrap();
    let before = latchkey(&["profile", "show", "--format", "json", path], "");
    let check = latchkey(&["profile", "fmt", "--check", path], "");
    assert_eq!((check.code, check.out.trim()), (2, path), "{check:?}");
    assert_eq!(latchkey(&["profile", "fmt", path], "").code, 0);
    assert_eq!(latchkey(&["profile", "fmt", "--check", path], "").code, 0);
    let after = latchkey(&["profile", "show", "--format", "json", path], "");
    assert_eq!(before.out, after.out);
}

#[test]
fn file_with_a_problem_is_not_formatted() {
    let text = item("Strict", "alice");
    let file = written(&text);
    let ran = latchkey(&["profile", "fmt", file.path().to_str().unwrap()], "");
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(fs::read_to_string(file.path()).unwrap(), text);
}

#[test]
fn profile_is_shown_by_privilege_and_holder() {
    let ran = latchkey(&["profile", "show", "-"], &item("Enforce", "alice"));
    assert_eq!(ran.code, 0, "{ran:?}");
    let expected = "mode Enforce, default access Deny\n\n\
                    instance: any method /metadata/instance and below\n  who: user alice\n";
    assert_eq!(ran.out, expected);
}

#[test]
fn person_is_told_nothing_about_the_reader_of_yaml() {
    let tests = TESTS.replace("endpoint: imds", "endpoint: imds\nendpoint: imds");
    let ran = test("Enforce", &tests, &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("duplicate mapping key"), "{ran:?}");
    assert!(!ran.err.contains("Options"), "{ran:?}");
}
