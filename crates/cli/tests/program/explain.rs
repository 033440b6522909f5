//! `latchkey explain`.

use serde_json::Value;

use crate::ran::{Ran, item, latchkey, written};

const INSTANCE: &str = "/metadata/instance?api-version=2021-02-01";

fn explain(profile: &str, arguments: &[&str]) -> Ran {
    let file = written(profile);
    let path = file.path().to_str().unwrap();
    let fixed = ["explain", "--profile", path, "--endpoint", "imds"];
    latchkey(&[&fixed[..], arguments].concat(), "")
}

#[test]
fn verdict_stands_on_the_first_line_and_the_exit_code_is_0_whatever_it_is() {
    for (mode, user, first) in [
        ("Enforce", "alice", "ALLOW"),
        ("Enforce", "bob", "DENY"),
        ("Audit", "bob", "AUDIT"),
        ("Disabled", "bob", "ALLOW"),
    ] {
        let ran = explain(
            &item(mode, "alice"),
            &["--target", INSTANCE, "--user", user],
        );
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(ran.out.split_whitespace().next(), Some(first), "{ran:?}");
    }
}

#[test]
fn audit_that_has_ended_refuses() {
    let profile = item("Audit", "alice").replace(
        "\"id\"",
        "\"auditUntil\": \"2026-01-01T00:00:00Z\",\n  \"id\"",
    );
    for (now, first) in [
        ("2025-12-31T00:00:00Z", "AUDIT"),
        ("2026-01-02T00:00:00Z", "DENY"),
    ] {
        let ran = explain(
            &profile,
            &["--target", INSTANCE, "--user", "bob", "--now", now],
        );
        assert_eq!(ran.out.split_whitespace().next(), Some(first), "{ran:?}");
    }
}

#[test]
fn tree_names_the_privilege_and_what_keeps_the_caller_from_it() {
    let ran = explain(
        &item("Enforce", "alice"),
        &["--target", INSTANCE, "--user", "bob"],
    );
    for says in ["instance", "who", "userName", "alice"] {
        assert!(ran.out.contains(says), "{says}: {}", ran.out);
    }
    let ran = explain(
        &item("Enforce", "alice"),
        &["--target", "/a b", "--user", "bob", "--format", "json"],
    );
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (ran.code, &answer["verdict"]),
        (0, &"deny".into()),
        "{ran:?}"
    );
}

#[test]
fn json_has_verdict_reason_and_rule() {
    let caller = written(r#"{"userName":"bob","userGroups":["bob"],"runAsElevated":false}"#);
    let path = caller.path().to_str().unwrap();
    let ran = explain(
        &item("Enforce", "alice"),
        &[
            "--target", INSTANCE, "--caller", path, "--method", "GET", "--format", "json",
        ],
    );
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(answer["verdict"], "deny");
    assert_eq!(answer["reason"], "caller_not_assigned");
    assert_eq!(answer["rule"], "privilege `instance`");
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn every_problem_of_a_profile_is_quoted_with_a_caret() {
    let profile = item("Strict", "alice").replace("\"path\"", "\"paht\"");
    let ran = explain(&profile, &["--target", "/a", "--user", "x"]);
    assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{ran:?}");
    for says in [
        "\"mode\": \"Strict\"",
        "`Strict` is not a mode",
        "did you mean `path`?",
        "^^^",
    ] {
        assert!(ran.err.contains(says), "{says}: {}", ran.err);
    }
    assert!(!ran.err.contains('\x1b'), "{}", ran.err);
}

#[test]
fn problems_as_json_have_their_places() {
    let profile = item("Strict", "alice");
    let ran = explain(
        &profile,
        &["--target", "/a", "--user", "x", "--format", "json"],
    );
    let problems: Value = serde_json::from_str(&ran.out).unwrap();
    let problem = &problems[0];
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(problem["code"], "unknown_mode");
    assert_eq!(problem["severity"], "error");
    assert_eq!(problem["pointer"], "/mode");
    assert_eq!(
        (&problem["line"], &problem["column"]),
        (&3.into(), &11.into())
    );
    assert_eq!(problem.as_object().unwrap().len(), 7, "{problem}");
}

#[test]
fn misspelt_attribute_of_a_caller_is_shown_where_it_stands() {
    let caller = written("{\n  \"username\": \"alice\"\n}");
    let path = caller.path().to_str().unwrap();
    let ran = explain(
        &item("Enforce", "alice"),
        &["--target", "/a", "--caller", path],
    );
    assert_eq!(ran.code, 3, "{ran:?}");
    for says in [":2:3", "`username` is no attribute", "userName, userGroups"] {
        assert!(ran.err.contains(says), "{says}: {}", ran.err);
    }
}

#[test]
fn mistake_in_a_caller_is_shown_where_it_stands() {
    for (text, place, says) in [
        ("{\n  \"uid\": \"root\"\n}", ":2:10", "invalid type: string"),
        (
            "{\"uid\": 0,\n \"userName\": 7}",
            ":2:14",
            "invalid type: integer",
        ),
        (
            "{\"userName\": \"bob\",\n\"userName\": \"alice\"}",
            ":2:1",
            "duplicate field `userName`",
        ),
        ("{\"uid\": 0,\n\"flags\": [\"x\"]}", ":2:1", "is no flag"),
    ] {
        let caller = written(text);
        let path = caller.path().to_str().unwrap();
        let arguments = ["--target", "/a", "--caller", path];
        let ran = explain(&item("Enforce", "alice"), &arguments);
        assert_eq!(ran.code, 3, "{text}: {ran:?}");
        for says in [place, says, "^"] {
            assert!(ran.err.contains(says), "{says}: {}", ran.err);
        }
    }
}

#[test]
fn file_that_is_not_there_is_a_failure_and_a_caller_is_needed() {
    let arguments = [
        "explain",
        "--profile",
        "/nowhere",
        "--endpoint",
        "imds",
        "--target",
        "/a",
    ];
    assert_eq!(
        latchkey(&[&arguments[..], &["--root"]].concat(), "").code,
        1
    );
    assert_eq!(latchkey(&arguments, "").code, 64);
}
