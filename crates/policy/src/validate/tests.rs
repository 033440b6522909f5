//! Every problem that a document can have, found at its place.

use serde_json::{Value, json};

use super::*;
use crate::rules::RuleSet;

fn item(document: &Value) -> AuthorizationItem {
    serde_json::from_value(document.clone()).unwrap()
}

fn problems(document: &Value) -> Vec<String> {
    match RuleSet::compile(&item(document)) {
        Ok(_) => Vec::new(),
        Err(invalid) => invalid
            .problems()
            .iter()
            .map(|problem| {
                let debug = format!("{:?}", problem.kind);
                let kind = debug.split(['(', ' ']).next().unwrap();
                format!("{} {kind}", problem.pointer)
            })
            .collect(),
    }
}

fn valid() -> Value {
    json!({
        "defaultAccess": "Deny", "mode": "Enforce", "id": "x",
        "rules": {
            "privileges": [{"name": "p", "path": "/m", "queryParameters": {"a": "1"}}],
            "roles": [{"name": "r", "privileges": ["p"]}],
            "identities": [{"name": "i", "userName": "alice"}],
            "roleAssignments": [{"role": "r", "identities": ["i"]}]
        }
    })
}

/// The problems of the valid document with one value replaced.
fn with(pointer: &str, value: Value) -> Vec<String> {
    let mut document = valid();
    *document.pointer_mut(pointer).unwrap() = value;
    problems(&document)
}

#[test]
fn words_are_read_in_any_letter_case_without_trimming() {
    for (access, mode) in [
        ("Allow", "Audit"),
        ("deny", "ENFORCE"),
        ("aLLOW", "disabled"),
    ] {
        let mut document = valid();
        document["defaultAccess"] = json!(access);
        document["mode"] = json!(mode);
        assert!(problems(&document).is_empty(), "{access} {mode}");
    }
    for text in ["", "permit", " allow", "deny "] {
        assert_eq!(
            with("/defaultAccess", json!(text)),
            ["/defaultAccess UnknownAccess"]
        );
    }
    for text in ["", "enabled", " Enforce"] {
        assert_eq!(with("/mode", json!(text)), ["/mode UnknownMode"]);
    }
}

#[test]
fn rules_have_all_four_lists_or_none() {
    for lists in [
        json!({}),
        json!(null),
        json!({"privileges": null, "roles": null}),
    ] {
        assert!(with("/rules", lists).is_empty());
    }
    let empty = json!({"privileges": [], "roles": [], "identities": [], "roleAssignments": []});
    assert!(with("/rules", empty).is_empty());
    assert_eq!(
        with("/rules", json!({"privileges": [], "roles": []})),
        [
            "/rules/identities MissingList",
            "/rules/roleAssignments MissingList"
        ]
    );
    for list in ["privileges", "roles", "identities", "roleAssignments"] {
        assert_eq!(
            with(&format!("/rules/{list}"), json!(null)),
            [format!("/rules/{list} MissingList")]
        );
    }
}

#[test]
fn names_are_unique_in_their_list_and_not_blank() {
    let privilege = json!({"name": "p", "path": "/m"});
    assert_eq!(
        with("/rules/privileges", json!([privilege, privilege])),
        ["/rules/privileges/1/name DuplicateName"]
    );
    let role = json!({"name": "r", "privileges": []});
    assert_eq!(
        with("/rules/roles", json!([role, role, role])),
        [
            "/rules/roles/1/name DuplicateName",
            "/rules/roles/2/name DuplicateName"
        ]
    );
    let identity = json!({"name": "i", "userName": "bob"});
    assert_eq!(
        with("/rules/identities", json!([identity, identity])),
        ["/rules/identities/1/name DuplicateName"]
    );
    assert!(
        with(
            "/rules/identities",
            json!([identity, {"name": "I", "userName": "bob"}])
        )
        .is_empty()
    );
    let blank = json!([identity, {"name": " ", "userName": "bob"}]);
    assert_eq!(
        with("/rules/identities", blank),
        ["/rules/identities/1/name BlankName"]
    );
}

#[test]
fn references_lead_somewhere() {
    assert_eq!(
        with("/rules/roles/0/privileges", json!(["p", "P"])),
        ["/rules/roles/0/privileges/1 UnknownPrivilege"]
    );
    assert_eq!(
        with("/rules/roleAssignments/0/role", json!("R")),
        ["/rules/roleAssignments/0/role UnknownRole"]
    );
    assert_eq!(
        with("/rules/roleAssignments/0/identities", json!(["ghost", "i"])),
        ["/rules/roleAssignments/0/identities/0 UnknownIdentity"]
    );
}

#[test]
fn empty_references_grant_nothing_and_are_valid() {
    assert!(with("/rules/roles/0/privileges", json!([])).is_empty());
    assert!(with("/rules/roleAssignments/0/identities", json!([])).is_empty());
    assert!(with("/rules/roleAssignments", json!([])).is_empty());
}

#[test]
fn paths_can_match_a_canonical_request() {
    for path in ["/", "//", "/m/", "/M%41/b", "/m/..name"] {
        assert!(
            with("/rules/privileges/0/path", json!(path)).is_empty(),
            "{path}"
        );
    }
    for (path, kind) in [
        ("", "RelativePath"),
        ("m", "RelativePath"),
        ("*", "RelativePath"),
        ("/m?a=1", "QueryInPath"),
        ("/m%3Fa", "UnreadablePath"),
        ("/m%2Fn", "UnreadablePath"),
        ("/m/../n", "UnreadablePath"),
        ("/métadata", "UnreadablePath"),
        ("/m;x", "UnreadablePath"),
        ("/m%", "UnreadablePath"),
    ] {
        let found = with("/rules/privileges/0/path", json!(path));
        assert_eq!(
            found,
            [format!("/rules/privileges/0/path {kind}")],
            "{path}"
        );
    }
}

/// The problems of the valid document with one more member in an object.
fn with_member(pointer: &str, name: &str, value: &Value) -> Vec<String> {
    let mut document = valid();
    document.pointer_mut(pointer).unwrap()[name] = value.clone();
    problems(&document)
}

#[test]
fn methods_are_words_in_upper_case_each_once() {
    let privilege = "/rules/privileges/0";
    let listing = |methods: Value| with_member(privilege, "methods", &methods);
    assert!(listing(json!(["GET", "HEAD", "M-SEARCH"])).is_empty());
    assert_eq!(
        listing(json!([])),
        [format!("{privilege}/methods EmptyList")]
    );
    for (method, kind) in [
        ("get", "LowerCaseMethod"),
        ("Put", "LowerCaseMethod"),
        ("GET", "DuplicateMethod"),
        ("", "InvalidMethod"),
        (" ", "InvalidMethod"),
        ("GET ", "InvalidMethod"),
        ("GET/", "InvalidMethod"),
        ("GÉT", "InvalidMethod"),
    ] {
        let found = listing(json!(["GET", method]));
        assert_eq!(
            found,
            [format!("{privilege}/methods/1 {kind}")],
            "{method:?}"
        );
    }
}

#[test]
fn paths_are_matched_by_segments_or_exactly() {
    let privilege = "/rules/privileges/0";
    for word in ["segments", "exact"] {
        assert!(with_member(privilege, "pathMatch", &json!(word)).is_empty());
    }
    for word in ["", "Exact", "prefix", "exact "] {
        let found = with_member(privilege, "pathMatch", &json!(word));
        assert_eq!(found, [format!("{privilege}/pathMatch UnknownPathMatch")]);
    }
}

#[test]
fn assignment_may_audit_or_enforce_but_not_disable() {
    let assignment = "/rules/roleAssignments/0";
    for word in ["Audit", "eNFORCE"] {
        assert!(with_member(assignment, "mode", &json!(word)).is_empty());
    }
    assert!(with_member(assignment, "comment", &json!("for people")).is_empty());
    for word in ["", "Disabled", "on", " Audit"] {
        let found = with_member(assignment, "mode", &json!(word));
        assert_eq!(found, [format!("{assignment}/mode InvalidAssignmentMode")]);
    }
}

#[test]
fn end_of_audit_is_a_time() {
    for time in ["2026-12-31T23:59:59Z", "2026-12-31T23:59:59.5+02:00"] {
        assert!(with_member("", "auditUntil", &json!(time)).is_empty());
    }
    for time in ["", "2026-12-31", "next week"] {
        let found = with_member("", "auditUntil", &json!(time));
        assert_eq!(found, ["/auditUntil InvalidTime"]);
    }
}

#[test]
fn messages_about_words_say_what_to_write() {
    for (kind, advice) in [
        (
            ProblemKind::LowerCaseMethod("get".to_owned()),
            "write `GET`",
        ),
        (ProblemKind::InvalidMethod("G T".to_owned()), "as in `GET`"),
        (
            ProblemKind::InvalidTime("x".parse::<AuditEnd>().unwrap_err()),
            "2026-12-31T23:59:59Z",
        ),
        (ProblemKind::UnknownPathMatch("x".to_owned()), "segments"),
        (
            ProblemKind::InvalidAssignmentMode("x".to_owned()),
            "Audit or Enforce",
        ),
    ] {
        assert!(kind.to_string().contains(advice), "{kind}");
    }
}

#[test]
fn constraints_can_match_a_canonical_request() {
    let parameters = "/rules/privileges/0/queryParameters";
    for valid in [
        json!({}),
        json!(null),
        json!({"a": "", "b": "x y", "é": "a=b+c"}),
    ] {
        assert!(with(parameters, valid.clone()).is_empty(), "{valid}");
    }
    assert_eq!(
        with(parameters, json!({"": "1"})),
        [format!("{parameters}/ NamelessParameter")]
    );
    assert_eq!(
        with(parameters, json!({"a/~": "%"})),
        [format!("{parameters}/a~1~0 UnreadableText")]
    );
    assert_eq!(
        with(parameters, json!({"a b": "1"})),
        [format!("{parameters}/a b UnreadableText")]
    );
    assert_eq!(
        with(parameters, json!({"a;b": "1"})),
        [format!("{parameters}/a;b UnreadableText")]
    );
    assert_eq!(
        with(parameters, json!({"a": "%252D"})),
        [format!("{parameters}/a UnreadableText")]
    );
    assert_eq!(
        with(parameters, json!({"a": "1", "%41": "2"})),
        [format!("{parameters}/%41 DuplicateParameter")]
    );
}

#[test]
fn identities_select_somebody() {
    let identity = "/rules/identities/0";
    assert_eq!(
        with(identity, json!({"name": "i"})),
        [format!("{identity} NoSelector")]
    );
    for selector in ["userName", "groupName", "exePath", "processName"] {
        let blank = json!({"name": "i", selector: " "});
        assert_eq!(
            with(identity, blank),
            [format!("{identity}/{selector} BlankSelector")]
        );
        let second_is_blank = json!({"name": "i", "userName": "alice", selector: ""});
        assert_eq!(
            with(identity, second_is_blank),
            [format!("{identity}/{selector} BlankSelector")]
        );
    }
}

#[test]
fn executables_are_named_by_one_absolute_path() {
    let executable =
        |path: &str| with("/rules/identities/0", json!({"name": "i", "exePath": path}));
    for path in ["/usr/bin/curl", "//usr/bin//curl/", "/opt/..app"] {
        assert!(executable(path).is_empty(), "{path}");
    }
    for (path, kind) in [
        ("curl", "RelativeFile"),
        ("./curl", "RelativeFile"),
        ("/", "RelativeFile"),
        ("/usr/bin/../bin/curl", "DottedPath"),
        ("/usr/./bin/curl", "DottedPath"),
    ] {
        assert_eq!(
            executable(path),
            [format!("/rules/identities/0/exePath {kind}")],
            "{path}"
        );
    }
}

/// The problems of an identity with nothing but a name and this, each without its identity's place.
fn selecting(selector: &str, value: &Value) -> Vec<String> {
    let found = with("/rules/identities/0", json!({"name": "i", selector: value}));
    let place = "/rules/identities/0";
    let found = found.iter();
    found
        .map(|problem| problem.replacen(place, "", 1))
        .collect()
}

#[test]
fn units_slices_groups_and_scripts_are_named_as_systemd_and_the_kernel_name_them() {
    for (selector, value) in [
        ("systemdUnit", "app.service"),
        ("systemdUnit", "app@one.service"),
        ("systemdUnit", "session-3.scope"),
        ("systemdSlice", "system.slice"),
        ("systemdSlice", "-.slice"),
        ("containerId", "0f"),
        ("cgroup", "/system.slice/app.service/"),
        ("cgroup", "//a"),
        ("scriptPath", "/opt/app/main.py"),
    ] {
        assert!(selecting(selector, &json!(value)).is_empty(), "{value}");
    }
    for (selector, value, kind) in [
        ("systemdUnit", "app", "InvalidUnit"),
        ("systemdUnit", "app@.service", "InvalidUnit"),
        ("systemdUnit", "system.slice", "InvalidUnit"),
        ("systemdUnit", " ", "BlankSelector"),
        ("systemdSlice", "app.service", "InvalidSlice"),
        ("containerId", "", "BlankSelector"),
        ("cgroup", "system.slice", "RelativeCgroup"),
        ("cgroup", "/", "RelativeCgroup"),
        ("cgroup", "/a/../b", "DottedPath"),
        ("scriptPath", "main.py", "RelativeFile"),
        ("scriptPath", "/opt/./main.py", "DottedPath"),
    ] {
        assert_eq!(
            selecting(selector, &json!(value)),
            [format!("/{selector} {kind}")],
            "{value}"
        );
    }
}

#[test]
fn digests_have_64_hexadecimal_digits_in_any_letter_case() {
    let (lower, upper) = ("0f".repeat(32), "0F".repeat(32));
    assert!(selecting("exeSha256", &json!([lower, upper])).is_empty());
    assert_eq!(selecting("exeSha256", &json!([])), ["/exeSha256 EmptyList"]);
    assert_eq!(
        selecting("exeSha256", &json!([lower, "0f", "0g".repeat(32), ""])),
        [
            "/exeSha256/1 InvalidDigest",
            "/exeSha256/2 InvalidDigest",
            "/exeSha256/3 InvalidDigest"
        ]
    );
}

#[test]
fn condition_selects_nobody_by_itself_and_knows_its_words() {
    assert_eq!(selecting("forbid", &json!(["traced"])), [" NoSelector"]);
    let forbidding = |words: Value| {
        let identity = json!({"name": "i", "uid": 0, "forbid": words});
        with("/rules/identities/0", identity)
    };
    assert!(forbidding(json!(["traced", "preloaded", "userNamespace"])).is_empty());
    assert!(forbidding(json!(["deletedExecutable", "memoryExecutable"])).is_empty());
    let forbid = "/rules/identities/0/forbid";
    assert_eq!(forbidding(json!([])), [format!("{forbid} EmptyList")]);
    assert_eq!(
        forbidding(json!(["traced", "Traced", "debugged"])),
        [
            format!("{forbid}/1 UnknownFlag"),
            format!("{forbid}/2 UnknownFlag")
        ]
    );
}

#[test]
fn numbers_alone_select() {
    assert!(selecting("uid", &json!(0)).is_empty());
    assert!(selecting("gid", &json!(65_534)).is_empty());
}

#[test]
fn all_problems_are_reported_in_the_order_of_the_document() {
    let document = json!({
        "defaultAccess": "maybe", "mode": "on", "id": "",
        "rules": {
            "privileges": [{"name": "p", "path": "m"}, {"name": "q", "path": "/n"}],
            "roles": [{"name": "r", "privileges": ["p", "ghost"]}],
            "identities": [{"name": "i"}],
            "roleAssignments": [{"role": "none", "identities": ["nobody"]}]
        }
    });
    assert_eq!(
        problems(&document),
        [
            "/defaultAccess UnknownAccess",
            "/mode UnknownMode",
            "/rules/privileges/0/path RelativePath",
            "/rules/roles/0/privileges/1 UnknownPrivilege",
            "/rules/identities/0 NoSelector",
            "/rules/roleAssignments/0/role UnknownRole",
            "/rules/roleAssignments/0/identities/0 UnknownIdentity",
        ]
    );
}
