//! `latchkey profile lint` as a person or script meets it: what it says, and how it ends.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests; a failure is the test's"
)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

fn lint(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_latchkey"))
        .args(["profile", "lint"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn said(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn good() -> Value {
    json!({
        "defaultAccess": "Deny", "mode": "Enforce", "id": "1",
        "rules": {
            "privileges": [{"name": "token", "path": "/metadata/identity/oauth2/token"}],
            "roles": [{"name": "token-reader", "privileges": ["token"]}],
            "identities": [{"name": "root", "userName": "root"}],
            "roleAssignments": [{"role": "token-reader", "identities": ["root"]}],
        },
    })
}

/// A folder with one profile for each thing that lint may say.
fn profiles() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let with = |pointer: &str, value: Value| {
        let mut profile = good();
        *profile.pointer_mut(pointer).unwrap() = value;
        profile
    };
    for (name, profile) in [
        ("good.json", good()),
        ("note.json", with("/mode", json!("Audit"))),
        (
            "warning.json",
            with(
                "/rules/identities/0",
                json!({"name": "root", "userName": "root", "exePath": "/usr/bin/python3"}),
            ),
        ),
        (
            "error.json",
            with(
                "/rules/identities/0",
                json!({"name": "root", "exePath": "/opt/app"}),
            ),
        ),
        (
            "invalid.json",
            with("/rules/roles/0/privileges/0", json!("nothing")),
        ),
        (
            "missing.json",
            with("/rules/identities/0/userName", json!("no such user")),
        ),
        ("expired.json", {
            let mut profile = with("/mode", json!("Audit"));
            profile["auditUntil"] = json!("2026-01-01T00:00:00Z");
            profile
        }),
    ] {
        fs::write(
            folder.path().join(name),
            serde_json::to_string_pretty(&profile).unwrap(),
        )
        .unwrap();
    }
    folder
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn codes(answer: &Value) -> Vec<&str> {
    let files = answer["files"].as_array().unwrap().iter();
    let findings = files.flat_map(|file| file["findings"].as_array().unwrap());
    findings
        .map(|finding| finding["code"].as_str().unwrap())
        .collect()
}

#[test]
fn code_says_whether_a_profile_has_errors_or_with_strict_warnings() {
    let folder = profiles();
    for (arguments, code) in [
        (&["good.json"][..], 0),
        (&["good.json", "--strict"], 0),
        (&["note.json", "--strict"], 0),
        (&["warning.json"], 0),
        (&["warning.json", "--strict"], 3),
        (&["error.json"], 3),
        (&["invalid.json"], 3),
        (&["good.json", "error.json"], 3),
        (&["error.json", "nowhere.json"], 1),
        (&["missing.json", "--strict"], 0),
        (&["missing.json", "--strict", "--machine"], 3),
        (&["good.json", "--strict", "--machine"], 0),
        (&["good.json", "--endpoint", "wireserver"], 3),
        (&["good.json", "--endpoint", "imds"], 0),
        (&["expired.json", "--strict"], 3),
        (
            &["expired.json", "--strict", "--now", "2025-06-01T00:00:00Z"],
            0,
        ),
        (&[], 64),
        (&["good.json", "--endpoint", "else"], 64),
    ] {
        let output = lint(folder.path(), arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {output:?}"
        );
    }
}

#[test]
fn person_sees_the_line_with_a_caret_and_what_to_do() {
    let folder = profiles();
    let output = lint(folder.path(), &["error.json"]);
    let text = said(&output.stdout);
    for part in [
        "token_for_anybody",
        "error: any user of the machine can become `root`",
        "error.json:",
        "\"exePath\": \"/opt/app\"",
        "^",
        "name the user, group or systemdUnit too",
        "1 error, 0 warnings, 0 notes in 1 file\n",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "{text}");
    assert_eq!(said(&output.stderr), "");
}

#[test]
fn program_gets_one_object_with_a_place_for_each_finding() {
    let folder = profiles();
    let output = lint(
        folder.path(),
        &[
            "--format",
            "json",
            "warning.json",
            "good.json",
            "invalid.json",
        ],
    );
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let answer = answer(&output);
    assert_eq!(
        (&answer["errors"], &answer["warnings"], &answer["notes"]),
        (&json!(1), &json!(1), &json!(0))
    );
    let files = answer["files"].as_array().unwrap();
    let names: Vec<_> = files
        .iter()
        .map(|file| {
            (
                file["file"].as_str().unwrap(),
                file["valid"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            ("warning.json", true),
            ("good.json", true),
            ("invalid.json", false)
        ]
    );
    assert_eq!(files[1]["findings"], json!([]));
    let finding = &files[0]["findings"][0];
    assert_eq!(finding["code"], "bare_interpreter");
    assert_eq!(finding["severity"], "warning");
    assert_eq!(finding["pointer"], "/rules/identities/0/exePath");
    let text = fs::read_to_string(folder.path().join("warning.json")).unwrap();
    let line = usize::try_from(finding["line"].as_u64().unwrap()).unwrap();
    assert!(
        text.lines()
            .nth(line - 1)
            .unwrap()
            .contains("/usr/bin/python3"),
        "{finding}"
    );
    let invalid = &files[2]["findings"][0];
    assert_eq!(invalid["pointer"], "/rules/roles/0/privileges/0");
    assert_eq!(invalid["severity"], "error");
}

#[test]
fn a_great_many_findings_are_lines_that_end_soon() {
    let folder = profiles();
    let mut profile = good();
    let more = (0..5000)
        .map(|at| json!({"name": format!("n{at}"), "path": format!("/metadata/instance/x{at}/y")}));
    let privileges = profile["rules"]["privileges"].as_array_mut().unwrap();
    privileges.extend(more);
    fs::write(
        folder.path().join("many.json"),
        serde_json::to_string_pretty(&profile).unwrap(),
    )
    .unwrap();
    let output = lint(folder.path(), &["many.json"]);
    assert_eq!(output.status.code(), Some(0));
    let text = said(&output.stdout);
    let lines = text
        .lines()
        .filter(|line| line.contains(": warning[unassigned_privilege]: nobody has `n"));
    assert_eq!(lines.count(), 4900);
    assert!(text.ends_with("0 errors, 5000 warnings, 0 notes in 1 file\n"));
}

#[test]
fn file_that_cannot_be_read_keeps_no_other_from_being_looked_at() {
    let folder = profiles();
    let output = lint(
        folder.path(),
        &["--format", "json", "nowhere.json", "error.json"],
    );
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(codes(&answer(&output)), ["token_for_anybody"]);
    assert!(said(&output.stderr).contains("nowhere.json"), "{output:?}");
}

#[test]
fn profile_on_standard_input_is_looked_at_in_any_form() {
    let body = json!({"location": "here", "properties": {
        "mode": "Enforce", "defaultAccess": "Allow", "rules": good()["rules"],
    }});
    let mut program = Command::new(env!("CARGO_BIN_EXE_latchkey"))
        .args(["profile", "lint", "--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    program
        .stdin
        .take()
        .unwrap()
        .write_all(body.to_string().as_bytes())
        .unwrap();
    let output = program.wait_with_output().unwrap();
    let answer = answer(&output);
    assert_eq!(answer["files"][0]["file"], "standard input");
    assert_eq!(codes(&answer), ["secret_open_by_default"]);
    assert_eq!(
        answer["files"][0]["findings"][0]["pointer"],
        "/defaultAccess"
    );
    assert_eq!(answer["files"][0]["findings"][0]["line"], 1);
}

#[test]
fn what_bare_rules_do_not_say_is_assumed_and_said() {
    let folder = profiles();
    fs::write(
        folder.path().join("rules.json"),
        good()["rules"].to_string(),
    )
    .unwrap();
    let output = lint(folder.path(), &["--strict", "rules.json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        said(&output.stderr).contains("Enforce is assumed"),
        "{output:?}"
    );
}

#[test]
fn machine_is_asked_for_users_and_files() {
    let folder = profiles();
    let program = folder.path().join("program");
    fs::write(&program, "#!/bin/sh\n").unwrap();
    let mut profile = good();
    profile["rules"]["identities"][0] =
        json!({"name": "root", "userName": "no such user", "exePath": program});
    fs::write(folder.path().join("script.json"), profile.to_string()).unwrap();
    let output = lint(
        folder.path(),
        &["--machine", "--format", "json", "script.json"],
    );
    let answer = answer(&output);
    // The folder lies below /tmp, which is everybody's.
    assert_eq!(
        codes(&answer),
        ["writable_file", "script_as_executable", "unknown_user"]
    );
}

#[test]
fn names_of_a_document_do_not_command_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let mut profile = good();
    let hostile = "\u{1b}[2Jtoken";
    profile["rules"]["privileges"] = json!([
        {"name": hostile, "path": "/"},
        {"name": "token", "path": "/metadata/identity/oauth2/token"},
    ]);
    fs::write(folder.path().join("hostile.json"), profile.to_string()).unwrap();
    let output = lint(folder.path(), &["hostile.json"]);
    let text = said(&output.stdout);
    assert!(
        text.contains("\\u{1b}[2Jtoken") && !text.contains('\u{1b}'),
        "{text:?}"
    );
}

#[test]
fn profile_for_latchkey_alone_is_told_nothing_about_deployed_agents() {
    let folder = tempfile::tempdir().unwrap();
    let mut profile = good();
    profile["rules"]["identities"][0] =
        json!({"name": profile["rules"]["identities"][0]["name"], "systemdUnit": "app.service"});
    fs::write(folder.path().join("unit.json"), profile.to_string()).unwrap();
    let told = |arguments: &[&str]| {
        let fixed = ["unit.json", "--format", "json"];
        let output = lint(folder.path(), &[&fixed[..], arguments].concat());
        let answer = answer(&output);
        let codes = codes(&answer).into_iter().map(str::to_owned);
        (output.status.code(), codes.collect::<Vec<_>>())
    };
    let (code, codes) = told(&[]);
    assert_eq!(code, Some(0), "{codes:?}");
    assert!(
        codes.iter().any(|code| code == "everybody_on_deployed"),
        "{codes:?}"
    );
    let (_, codes) = told(&["--for", "latchkey"]);
    assert!(
        !codes.iter().any(|code| code.ends_with("_deployed")),
        "{codes:?}"
    );
}
