//! Every form, and every problem at its place.

use latchkey_protocol::authorization::AccessControlRules;

use super::*;
use crate::document::{MAX_BYTES, MAX_DEPTH};

const RULES: &str = r#"{
  "privileges": [{"name": "p", "path": "/m", "queryParameters": {"b": "1", "a": "2"}}],
  "roles": [{"name": "r", "privileges": ["p"]}],
  "identities": [{"name": "i", "userName": "alice"}],
  "roleAssignments": [{"role": "r", "identities": ["i"]}]
}"#;

fn item() -> String {
    format!(r#"{{"defaultAccess": "Deny", "mode": "Audit", "id": "x", "rules": {RULES}}}"#)
}

fn version() -> String {
    format!(
        r#"{{"id": "/a/b", "name": "1.0.0", "type": "t", "location": "here", "tags": {{"a": "b"}},
        "properties": {{"mode": "Audit", "defaultAccess": "Deny", "rules": {RULES},
        "targetLocations": [{{"name": "here", "regionalReplicaCount": 2, "encryption": {{"x": [1]}}}}],
        "excludeFromLatest": false, "publishedDate": "2026-01-01T00:00:00Z",
        "provisioningState": "Succeeded", "replicationStatus": {{"aggregatedState": "Completed"}}}}}}"#
    )
}

fn local() -> String {
    format!(r#"{{"defaultAccess": "Allow", "rules": {RULES}}}"#)
}

/// What is wrong with a text: line and column, pointer, and the name of the fault.
fn problems(text: &str, form: Option<Form>) -> Vec<String> {
    let Err(invalid) = read(text, form) else {
        return Vec::new();
    };
    let problems = invalid.problems().iter().map(|problem| {
        let debug = match &problem.kind {
            Fault::Profile(kind) => format!("{kind:?}"),
            Fault::Local(kind) => format!("{kind:?}"),
            kind => format!("{kind:?}"),
        };
        let kind = debug.split(['(', ' ']).next().unwrap();
        format!("{} {} {kind}", problem.place, problem.pointer)
    });
    problems.collect()
}

#[test]
fn every_form_is_told_by_its_fields_and_read() {
    for (text, form) in [
        (item(), Form::Item),
        (version(), Form::Version),
        (local(), Form::Local),
        (RULES.to_owned(), Form::Rules),
    ] {
        for text in [text.clone(), format!("\u{feff}{text}")] {
            let document = read(&text, None).unwrap();
            assert_eq!(document.form, form);
            assert_eq!(document, read(&text, Some(form)).unwrap());
            let rules: AccessControlRules = serde_json::from_str(RULES).unwrap();
            assert_eq!(document.item.rules, Some(rules), "{form:?}");
            let place = document.place("/rules/privileges/0/path").unwrap();
            let span = place.offset..place.offset + place.len;
            assert_eq!(document.text().get(span), Some(r#""/m""#));
            let other = super::super::format(&document);
            assert_eq!(read(&other, None).unwrap(), document);
        }
    }
}

#[test]
fn what_a_form_does_not_say_is_assumed_and_said() {
    let rules = read(RULES, None).unwrap();
    assert_eq!(
        (rules.item.mode.as_str(), rules.item.default_access.as_str()),
        ("Enforce", "Deny")
    );
    assert_eq!(
        rules.assumed,
        [Assumed::Mode, Assumed::DefaultAccess, Assumed::Id]
    );
    assert_eq!(rules.place("/mode"), None);
    let version = read(&version(), None).unwrap();
    assert_eq!(
        (version.item.id.as_str(), version.assumed),
        ("/a/b", vec![])
    );
    assert_eq!(version.resource.location.as_deref(), Some("here"));
    assert_eq!(
        read(&local(), None).unwrap().assumed,
        [Assumed::Mode, Assumed::Id]
    );
}

#[test]
fn nulls_are_absent() {
    let text = r#"{"mode": "Audit", "defaultAccess": "Deny", "id": "", "auditUntil": null, "rules": null}"#;
    assert_eq!(read(text, None).unwrap().item.rules, None);
    let text = r#"{"mode": null, "defaultAccess": "Deny", "id": ""}"#;
    assert_eq!(problems(text, None), ["1:10 /mode WrongType"]);
}

#[test]
fn what_is_no_json_is_named_where_it_ends() {
    for (text, found) in [
        ("", "1:1  Malformed"),
        ("\u{feff}", "1:1  Malformed"),
        ("{\n\"a\": 1,}", "2:8  Malformed"),
        ("{'a': 1}", "1:2  Malformed"),
        ("{\"rules\": {} // x\n}", "1:14  Malformed"),
        ("{\"rules\": {}} {}", "1:15  Malformed"),
        ("{\"rules\": {},,}", "1:14  Malformed"),
        ("{\"id\": \"\\ud800\", \"rules\": {}}", "1:9  Malformed"),
        ("[1 2]", "1:4  Malformed"),
        ("{\"a\" 1}", "1:6  Malformed"),
        ("\u{a0}{}", "1:1  Malformed"),
        ("3", "1:1  UnknownForm"),
        ("{}", "1:1  UnknownForm"),
    ] {
        assert_eq!(problems(text, None), [found], "{text}");
    }
    let not_text = read_bytes(b"{\n\xff}", None).unwrap_err();
    assert_eq!(not_text.problems()[0].place.to_string(), "2:1");
}

#[test]
fn size_and_depth_are_bounded() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(problems(&deep, None), ["1:65  TooDeep"]);
    let deepest = format!(
        r#"{{"location": "x", "systemData": {}{}, "properties": {{"mode": "Audit", "defaultAccess": "Deny"}}}}"#,
        "[".repeat(MAX_DEPTH - 1),
        "]".repeat(MAX_DEPTH - 1)
    );
    assert!(problems(&deepest, None).is_empty());
    let long = " ".repeat(MAX_BYTES + 1);
    assert_eq!(problems(&long, None), ["1:1  TooLarge"]);
}

#[test]
fn fields_that_do_not_fit_are_all_named() {
    let text = r#"{"properties": {
 "mode": "Audit", "defaultAcess": "Deny", "mode": "Enforce",
 "rules": {
  "privileges": [{"name": "p", "path": 7}, 3],
  "roles": [{"name": "r", "privileges": "p"}],
  "identities": [{"name": "i", "username": "a"}],
  "roleAssignments": {},
  "x": {"y": 1, "y": 2}
 },
 "targetLocations": [{}]
}}"#;
    assert_eq!(
        problems(text, None),
        [
            "1:16 /properties/defaultAccess MissingField",
            "2:19 /properties/defaultAcess UnknownField",
            "2:43 /properties/mode DuplicateField",
            "4:40 /properties/rules/privileges/0/path WrongType",
            "4:44 /properties/rules/privileges/1 WrongType",
            "5:41 /properties/rules/roles/0/privileges WrongType",
            "6:32 /properties/rules/identities/0/username UnknownField",
            "7:22 /properties/rules/roleAssignments WrongType",
            "8:3 /properties/rules/x UnknownField",
            "8:17 /properties/rules/x/y DuplicateField",
            "10:22 /properties/targetLocations/0/name MissingField",
        ]
    );
}

#[test]
fn misspelt_field_is_told_the_name_that_is_meant() {
    for (field, meant) in [
        ("username", "userName"),
        ("user_name", "userName"),
        ("exepath", "exePath"),
        ("exeSha265", "exeSha256"),
        ("systemUnit", "systemdUnit"),
        ("grupName", "groupName"),
    ] {
        let identities = format!(r#"{{"identities": [{{"name": "i", "{field}": "x"}}]}}"#);
        let invalid = read(&identities, Some(Form::Rules)).unwrap_err();
        let said = invalid.to_string();
        assert!(said.contains(&format!("did you mean `{meant}`?")), "{said}");
    }
    let invalid = read(r#"{"rules": {"zzz": 1}}"#, None).unwrap_err();
    let said = invalid.to_string();
    assert!(said.contains("the fields are privileges, roles,"), "{said}");
}

#[test]
fn meaning_is_looked_at_too_and_pointers_fit_the_form() {
    let broken = RULES
        .replace("\"/m\"", "\"m\"")
        .replace("[\"p\"]", "[\"q\"]");
    assert_eq!(
        problems(&broken, None),
        [
            "2:40 /privileges/0/path RelativePath",
            "3:42 /roles/0/privileges/0 UnknownPrivilege"
        ]
    );
    let text = version().replace(RULES, r#"{"privileges": []}"#);
    assert_eq!(
        problems(&text, None)[0],
        "2:75 /properties/rules/roles MissingList"
    );
    let both = broken.replace("\"userName\"", "\"usrName\"");
    let found = problems(&both, None);
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn local_file_is_read_more_strictly() {
    assert!(problems(r#"{"rules": {"privileges": []}}"#, None).is_empty());
    let text = r#"{"id": " ", "rules": {
 "privileges": [{"name": "p", "path": "/m", "queryParameters": {"a/b": ""}}],
 "roles": [{"name": "r", "privileges": ["p", "p"]}, {"name": "s", "privileges": []}],
 "roleAssignments": [{"role": "r", "identities": []}]}}"#;
    assert_eq!(
        problems(text, Some(Form::Local)),
        [
            "1:8 /id BlankId",
            "2:72 /rules/privileges/0/queryParameters/a~1b BlankValue",
            "3:46 /rules/roles/0/privileges/1 RepeatedReference",
            "3:81 /rules/roles/1/privileges NoReference",
            "4:50 /rules/roleAssignments/0/identities NoReference",
        ]
    );
    assert_eq!(
        problems(r#"{"mode": "Audit", "rules": {}}"#, Some(Form::Local)),
        ["1:2 /mode UnknownField"]
    );
}

#[test]
fn long_lists_of_parameters_references_and_problems_are_read_in_time_that_grows_with_them() {
    const MANY: usize = 30_000;
    let many = |entry: &dyn Fn(usize) -> String| {
        let entries: Vec<_> = (0..MANY).map(entry).collect();
        entries.join(",")
    };
    let parameters = many(&|at| format!(r#""a{at}":"1""#));
    let unknown = many(&|at| format!(r#""z{at}":1"#));
    let relative = many(&|at| format!(r#"{{"name":"p{at}","path":"m"}}"#));
    let roles = many(&|at| format!(r#"{{"name":"r{at}","privileges":["p"]}}"#));
    let names = many(&|at| format!(r#""r{at}""#));
    for (text, problems) in [
        (
            format!(
                r#"{{"rules":{{"privileges":[{{"name":"p","path":"/m","queryParameters":{{{parameters}}}}}]}}}}"#
            ),
            0,
        ),
        (
            format!(r#"{{{unknown},"rules":{{"privileges":[{relative}]}}}}"#),
            2 * MANY,
        ),
        (
            format!(
                r#"{{"rules":{{"privileges":[{{"name":"p","path":"/m"}}],"roles":[{roles},{{"name":"all","privileges":[{names}]}}]}}}}"#
            ),
            MANY,
        ),
    ] {
        let start = std::time::Instant::now();
        let found = read(&text, Some(Form::Local)).err();
        assert_eq!(found.map_or(0, |found| found.0.len()), problems);
        // Each takes a second or two without optimisation, and took minutes when lists were searched.
        let taken = start.elapsed();
        assert!(taken.as_secs() < 20, "{taken:?}");
    }
}

#[test]
fn consequence_of_a_mistake_in_the_form_is_no_problem_of_its_own() {
    let in_form: BTreeSet<String> = ["/a/b", "/c-d", "/e"].map(str::to_owned).into();
    for (pointer, expected) in [
        ("", true),
        ("/a", true),
        ("/a/b", true),
        ("/a/b/0", true),
        ("/a/bc", false),
        ("/a/c", false),
        ("/c", false),
        ("/e/f/g", true),
        ("/f", false),
    ] {
        assert_eq!(is_consequence(pointer, &in_form), expected, "{pointer}");
    }
    assert!(is_consequence("/x", &BTreeSet::from([String::new()])));
}
