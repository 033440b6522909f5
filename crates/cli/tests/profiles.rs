//! `latchkey profile diff`, `merge` and `export`, as a person or script meets them.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is the test's"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const CURRENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/profile/current.json");
const CANDIDATE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/testdata/profile/candidate.json"
);

fn profile(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_latchkey"))
        .arg("profile")
        .args(arguments)
        .output()
        .unwrap()
}

fn said(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Writes the current profile with one value replaced.
fn changed(folder: &Path, pointer: &str, value: Value) -> String {
    let mut document: Value = serde_json::from_str(&fs::read_to_string(CURRENT).unwrap()).unwrap();
    *document.pointer_mut(pointer).unwrap() = value;
    let file = folder.join("changed.json");
    fs::write(&file, serde_json::to_string_pretty(&document).unwrap()).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn diff_says_the_effect_in_words() {
    let output = profile(&["diff", CURRENT, CANDIDATE]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        said(&output.stdout),
        include_str!("../testdata/profile/difference.txt")
    );
}

#[test]
fn diff_ends_with_2_only_where_that_is_asked_for_and_somebody_may_do_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let other_id = changed(folder.path(), "/id", json!("other"));
    for (arguments, code) in [
        (&["diff", CURRENT, CANDIDATE][..], 0),
        (&["diff", CURRENT, CANDIDATE, "--exit-code"], 2),
        (&["diff", CURRENT, &other_id, "--exit-code"], 0),
        (&["diff", CURRENT, "/nowhere.json"], 1),
        (&["diff", CURRENT], 64),
        (&["diff", CURRENT, CANDIDATE, "--endpoint", "x"], 64),
    ] {
        let output = profile(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {output:?}");
    }
}

#[test]
fn diff_as_json_holds_effects_with_their_direction() {
    let output = profile(&[
        "diff",
        CURRENT,
        CANDIDATE,
        "--format",
        "json",
        "--endpoint",
        "wireserver",
    ]);
    let difference: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(difference["endpoint"], "wireserver");
    let gained = json!({
        "direction": "widens",
        "identities": ["backup"],
        "text": "`backup.service` may now GET `/metadata/identity/oauth2/token`"
    });
    let effects = difference["effects"].as_array().unwrap();
    assert!(effects.contains(&gained), "{effects:?}");
}

#[test]
fn invalid_profile_is_code_3_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let bad = changed(folder.path(), "/mode", json!("enable"));
    for arguments in [
        &["diff", CURRENT, &bad][..],
        &["merge", &bad, CURRENT],
        &["export", &bad, "--to", "local"],
    ] {
        let output = profile(arguments);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(said(&output.stderr).contains("is not a mode"), "{output:?}");
        assert_eq!(said(&output.stdout), "");
    }
}

#[test]
fn conflicts_are_code_2_with_both_places_and_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let union = folder.path().join("union.json");
    let output = profile(&[
        "merge",
        CURRENT,
        CANDIDATE,
        "--output",
        union.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let complaints = said(&output.stderr);
    for text in [
        "privilege `instance` is `/metadata/instance` in the first profile and `/metadata/instance/compute` in the second",
        "current.json:7:7\n",
        "candidate.json:7:7\n",
        "identity `backup` is user `backup` with `/usr/bin/backup` in the first profile and `backup.service` in the second",
    ] {
        assert!(complaints.contains(text), "{text}: {complaints}");
    }
    assert!(!union.exists());
    let output = profile(&["merge", CURRENT, CANDIDATE, "--format", "json"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        answer["conflicts"][0]["pointers"],
        json!(["/rules/privileges/0", "/rules/privileges/0"])
    );
}

#[test]
fn union_is_written_to_its_file_and_can_be_compared() {
    let folder = tempfile::tempdir().unwrap();
    let union = folder.path().join("union.json");
    let union = union.to_str().unwrap();
    let preferred = ["--prefer", "second", "--output", union];
    let output = profile(&[&["merge", CURRENT, CANDIDATE][..], &preferred].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(said(&output.stdout), "");
    let output = profile(&["diff", CANDIDATE, union]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!said(&output.stdout).contains("\n- "), "{output:?}");
    let output = profile(&["merge", CURRENT, CURRENT]);
    let merged: Value = serde_json::from_slice(&output.stdout).unwrap();
    let current: Value = serde_json::from_str(&fs::read_to_string(CURRENT).unwrap()).unwrap();
    assert_eq!(merged, current);
}

#[test]
fn export_names_what_is_lost_and_refuses_what_would_widen() {
    let output = profile(&[
        "export",
        CURRENT,
        "--to",
        "resource",
        "--location",
        "westeurope",
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let body: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        body["properties"]["targetLocations"],
        json!([{"name": "westeurope"}])
    );
    let warning =
        "current.json:7:37: warning: the deployed agent compares `/metadata/instance` as text";
    assert!(said(&output.stderr).contains(warning), "{output:?}");

    let refused = profile(&["export", CANDIDATE, "--to", "local", "--allow-widening"]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert_eq!(said(&refused.stdout), "");
    assert!(
        said(&refused.stderr).contains("it would be everybody"),
        "{refused:?}"
    );
}

#[test]
fn widening_is_accepted_by_name_alone() {
    let folder = tempfile::tempdir().unwrap();
    let exact = changed(
        folder.path(),
        "/rules/privileges/0",
        json!({"name": "instance", "path": "/metadata/instance", "pathMatch": "exact"}),
    );
    let refused = profile(&["export", &exact, "--to", "local"]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(said(&refused.stderr).contains("accept it with --allow-widening"));
    let accepted = profile(&["export", &exact, "--to", "local", "--allow-widening"]);
    assert_eq!(accepted.status.code(), Some(0), "{accepted:?}");
    assert!(said(&accepted.stderr).contains("WARNING, lets more through"));
    assert!(!said(&accepted.stdout).contains("pathMatch"));
}

#[test]
fn templates_need_endpoint_and_guests_and_proper_names() {
    let template = [
        "export",
        CURRENT,
        "--endpoint",
        "imds",
        "--os",
        "linux",
        "--to",
    ];
    for (to, word) in [
        ("bicep", "applicableHostEndpoint: 'IMDS'"),
        ("terraform", "azapi_resource"),
    ] {
        let output = profile(&[&template[..], &[to]].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(said(&output.stdout).contains(word), "{output:?}");
    }
    for arguments in [
        &["export", CURRENT, "--to", "bicep"][..],
        &["export", CURRENT, "--to", "resource"],
        &["export", CURRENT, "--to", "xml"],
        &[&template[..], &["bicep", "--gallery", "a-b"]].concat(),
        &[&template[..], &["bicep", "--profile-name", "a b"]].concat(),
        &[&template[..], &["bicep", "--version", "1.0"]].concat(),
        &[&template[..], &["bicep", "--location", " "]].concat(),
    ] {
        let output = profile(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?} {output:?}");
    }
}

#[test]
fn names_of_a_document_do_not_command_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = changed(
        folder.path(),
        "/rules/privileges/0/name",
        json!("\u{1b}[2Jx"),
    );
    let text = fs::read_to_string(&hostile).unwrap();
    let mut document: Value = serde_json::from_str(&text).unwrap();
    let former = fs::read_to_string(CURRENT).unwrap();
    let former: Value = serde_json::from_str(&former).unwrap();
    let name = former["rules"]["privileges"][0]["name"].as_str().unwrap();
    for role in document["rules"]["roles"].as_array_mut().unwrap() {
        for privilege in role["privileges"].as_array_mut().unwrap() {
            if privilege == name {
                *privilege = json!("\u{1b}[2Jx");
            }
        }
    }
    fs::write(&hostile, document.to_string()).unwrap();
    let output = profile(&["diff", CURRENT, &hostile]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = said(&output.stdout);
    assert!(
        said.contains("\\u{1b}[2Jx") && !said.contains('\u{1b}'),
        "{said:?}"
    );
}

#[test]
fn invalid_profile_is_shown_with_a_caret_by_all_that_read_two() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.json");
    fs::write(&broken, "{\n  \"mode\": \"Audit\"\n  \"id\": \"1\"\n}\n").unwrap();
    let broken = broken.to_str().unwrap();
    for arguments in [
        &["diff", CURRENT, broken][..],
        &["merge", CURRENT, broken],
        &["export", broken, "--to", "local"],
        &["fmt", broken],
    ] {
        let output = profile(arguments);
        assert_eq!(output.status.code(), Some(3), "{arguments:?} {output:?}");
        let text = said(&output.stderr);
        assert!(text.contains("broken.json:3:3]"), "{arguments:?} {text}");
        assert!(text.contains('^'), "{arguments:?} {text}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
    }
    for command in ["diff", "merge"] {
        let output = profile(&[command, CURRENT, broken, "--format", "json"]);
        assert_eq!(output.status.code(), Some(3), "{command} {output:?}");
        let problems: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(problems[0]["line"], 3, "{command} {problems}");
    }
}

#[test]
fn union_by_preference_tells_what_is_lost_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let wider = changed(
        folder.path(),
        "/rules/privileges/0/path",
        json!("/metadata/instance/compute"),
    );
    let quiet = profile(&["merge", "--prefer", "first", CURRENT, CURRENT]);
    assert_eq!((quiet.status.code(), said(&quiet.stderr)), (Some(0), ""));
    let output = profile(&["merge", "--prefer", "second", CURRENT, &wider]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = said(&output.stderr);
    assert!(
        text.contains("latchkey: unlike in ") && text.contains("current.json: "),
        "{text}"
    );
    assert!(
        text.contains("may no longer ask for `/metadata/instance`"),
        "{text}"
    );
}

#[test]
fn line_break_in_a_name_forges_no_line_of_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = changed(
        folder.path(),
        "/rules/identities/0/userName",
        json!("x\n+ FORGED\u{9b}\u{202e}"),
    );
    for arguments in [
        &["show", &hostile][..],
        &["diff", CURRENT, &hostile],
        &["merge", CURRENT, &hostile],
        &["merge", "--prefer", "second", CURRENT, &hostile],
        &["lint", &hostile],
        &["show", &hostile, "--format", "json"],
        &["diff", CURRENT, &hostile, "--format", "json"],
        &["lint", &hostile, "--format", "json"],
        &["fmt", "--check", &hostile],
        &["export", &hostile, "--to", "local", "--allow-widening"],
    ] {
        let output = profile(arguments);
        for text in [said(&output.stdout), said(&output.stderr)] {
            assert!(
                !text.contains(['\u{9b}', '\u{202e}']),
                "{arguments:?} {text}"
            );
            let mut lines = text.lines();
            let forged = lines.any(|line| line.starts_with("+ FORGED"));
            assert!(!forged, "{arguments:?} {text}");
        }
    }
}

#[test]
fn export_as_json_holds_the_text_and_every_loss_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.json");
    let file = file.to_str().unwrap();
    let export = |arguments: &[&str]| {
        let fixed = ["export", CURRENT, "--to", "local", "--format", "json"];
        let output = profile(&[&fixed[..], arguments].concat());
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), answer)
    };
    let (code, answer) = export(&[]);
    let losses = answer["losses"].as_array().unwrap();
    assert!(losses.iter().all(|loss| loss["severity"].is_string()));
    let mode = losses
        .iter()
        .find(|loss| loss["pointer"] == "/mode")
        .unwrap();
    assert!(mode["line"].is_u64() && mode["column"].is_u64(), "{mode}");
    assert_eq!(answer["exported"], code == Some(0), "{answer}");
    let (code, answer) = export(&["--allow-widening", "--output", file]);
    assert_eq!(
        (code, &answer["output"]),
        (Some(0), &json!(file)),
        "{answer}"
    );
    let written = fs::read_to_string(file).unwrap();
    let (_, answer) = export(&["--allow-widening"]);
    assert_eq!(answer["text"], written);
    let methods = changed(
        folder.path(),
        "/rules/privileges/0",
        json!({
            "name": "instance", "path": "/metadata/instance", "methods": ["GET"],
        }),
    );
    let output = profile(&["export", &methods, "--to", "local", "--format", "json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{answer}");
    assert_eq!(
        (&answer["exported"], &answer["text"]),
        (&json!(false), &Value::Null)
    );
}

#[test]
fn fmt_as_json_tells_of_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let other = changed(folder.path(), "/id", json!("other"));
    let broken = folder.path().join("broken.json");
    fs::write(&broken, "{").unwrap();
    let broken = broken.to_str().unwrap();
    let dense: Value = serde_json::from_str(&fs::read_to_string(&other).unwrap()).unwrap();
    fs::write(&other, dense.to_string()).unwrap();
    let check = profile(&["fmt", "--check", "--format", "json", &other]);
    assert_eq!(check.status.code(), Some(2), "{check:?}");
    let output = profile(&["fmt", "--format", "json", &other, broken]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let files: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        files[0],
        json!({"file": other, "changed": true, "problems": []})
    );
    assert_eq!(files[1]["problems"][0]["code"], "malformed_json", "{files}");
    let again = profile(&["fmt", "--format", "json", &other]);
    let files: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(files[0]["changed"], false);
}

#[test]
fn a_great_many_problems_are_shown_soon_and_no_more_than_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let bad: Vec<_> = (0..4_000)
        .map(|at| json!({"name": format!("p{at}"), "path": "relative"}))
        .collect();
    let file = changed(folder.path(), "/rules/privileges", json!(bad));
    let output = profile(&["show", &file]);
    assert_eq!(output.status.code(), Some(3));
    let text = said(&output.stderr);
    assert!(
        text.ends_with("more problems are not shown\n"),
        "{}",
        text.len()
    );
    assert!(text.lines().count() < 2_000, "{}", text.lines().count());
    assert!(
        text.contains("relative_path: /rules/privileges/100/path: "),
        "{text}"
    );
    let output = profile(&["show", &file, "--format", "json"]);
    let problems: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(problems.as_array().unwrap().len() >= 4_000);
}

#[test]
fn fmt_changes_no_number() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("version.json");
    let version = |number: &str| {
        format!(
            r#"{{"location": "x", "systemData": {{"n": {number}}}, "properties": {{"mode": "Audit", "defaultAccess": "Allow"}}}}"#
        )
    };
    for (number, code) in [("12345678901234567890123", 3), ("1234567890123456789", 0)] {
        fs::write(&file, version(number)).unwrap();
        let output = profile(&["fmt", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(fs::read_to_string(&file).unwrap().contains(number));
    }
}
