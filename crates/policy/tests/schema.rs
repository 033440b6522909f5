//! The schemas of the forms, of callers and of request lines: they accept what is valid and refuse unknown fields.
//!
//! That those in `docs/schema` are these is tested where all are printed, with the program.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests; a failure is the test's"
)]

use latchkey_policy::case::schema::CallerDocument;
use latchkey_policy::case::{CallerClaims, RequestLine};
use latchkey_policy::document::schema::{NAMES, of_input, schema};
use latchkey_policy::document::{Form, Resource, read, render};
use serde_json::{Value, json};

fn validator(form: Form) -> jsonschema::Validator {
    validator_of(&schema(form))
}

fn validator_of(schema: &str) -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(schema).unwrap();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    jsonschema::draft202012::new(&schema).unwrap()
}

/// The valid items of the vectors that read as ours, and one with everything that we add.
fn items() -> Vec<Value> {
    let mut items: Vec<Value> = lines()
        .into_iter()
        .map(|line| line["profile"].clone())
        .filter(|profile| read(&profile.to_string(), Some(Form::Item)).is_ok())
        .collect();
    assert!(items.len() > 100, "{}", items.len());
    items.push(json!({
        "defaultAccess": "Deny", "mode": "Audit", "id": "x", "auditUntil": "2026-12-01T00:00:00Z",
        "rules": {
            "privileges": [{
                "name": "p", "path": "/m", "queryParameters": {"a": "1"},
                "methods": ["GET"], "pathMatch": "exact"
            }],
            "roles": [{"name": "r", "privileges": ["p"]}],
            "identities": [{
                "name": "i", "systemdUnit": "a.service", "systemdSlice": "a.slice", "cgroup": "/a",
                "containerId": "c", "scriptPath": "/s", "exeSha256": ["0f".repeat(32)], "uid": 0,
                "gid": 1, "forbid": ["traced"], "userName": null
            }],
            "roleAssignments": [{"role": "r", "identities": ["i"], "mode": "enforce", "comment": "c"}]
        }
    }));
    items
}

#[test]
fn valid_documents_of_every_form_are_valid_by_their_schema() {
    let resource = Resource {
        id: Some("/x".to_owned()),
        location: Some("here".to_owned()),
        ..Resource::default()
    };
    for (form, name) in NAMES {
        let validator = validator(form);
        for item in items() {
            let read = read(&item.to_string(), Some(Form::Item)).unwrap();
            let text = render(form, &read.item, &resource);
            let instance: Value = serde_json::from_str(&text).unwrap();
            let errors: Vec<_> = validator.iter_errors(&instance).collect();
            assert!(errors.is_empty(), "{name}: {errors:?}\n{text}");
            if form == Form::Item {
                assert!(validator.is_valid(&item), "{item}");
            }
        }
    }
}

#[test]
fn unknown_field_at_any_depth_is_invalid_by_every_schema() {
    let whole = items().pop().unwrap();
    let read = read(&whole.to_string(), Some(Form::Item)).unwrap();
    for (form, name) in NAMES {
        let validator = validator(form);
        let text = render(form, &read.item, &Resource::default());
        let instance: Value = serde_json::from_str(&text).unwrap();
        let (outside, rules) = match form {
            Form::Item | Form::Local => ("", "/rules"),
            Form::Rules => ("", ""),
            Form::Version => ("/properties", "/properties/rules"),
        };
        let places = [
            "privileges/0",
            "roles/0",
            "identities/0",
            "roleAssignments/0",
        ];
        let places = places.map(|place| format!("{rules}/{place}"));
        for place in places
            .iter()
            .map(String::as_str)
            .chain(["", outside, rules])
        {
            let mut broken = instance.clone();
            broken.pointer_mut(place).unwrap()["unheardOf"] = json!(1);
            assert!(!validator.is_valid(&broken), "{name}: {place}");
        }
    }
}

#[test]
fn words_and_patterns_of_the_engine_are_those_of_the_schema() {
    let validator = validator(Form::Item);
    for (pointer, value) in [
        ("/mode", json!("On")),
        ("/defaultAccess", json!("permit")),
        ("/auditUntil", json!("soon")),
        ("/rules/privileges/0/path", json!("m")),
        ("/rules/privileges/0/path", json!("/m?a=1")),
        ("/rules/privileges/0/pathMatch", json!("prefix")),
        ("/rules/privileges/0/methods", json!([])),
        ("/rules/privileges/0/methods", json!(["get"])),
        ("/rules/privileges/0/name", json!(" ")),
        ("/rules/identities/0/exeSha256", json!(["0f"])),
        ("/rules/identities/0/forbid", json!(["debugged"])),
        ("/rules/identities/0/uid", json!(-1)),
        ("/rules/identities/0/cgroup", json!("a")),
        ("/rules/roleAssignments/0/mode", json!("Disabled")),
    ] {
        let mut broken = items().pop().unwrap();
        *broken.pointer_mut(pointer).unwrap() = value;
        assert!(!validator.is_valid(&broken), "{broken}");
    }
}

/// The vectors of the deployed agent, which are request lines.
fn lines() -> Vec<Value> {
    let vectors: Value =
        serde_json::from_str(include_str!("../testdata/authorization.json")).unwrap();
    vectors["vectors"].as_array().unwrap().clone()
}

#[test]
fn request_line_is_valid_by_its_schema_if_it_can_be_judged() {
    let validator = validator_of(&of_input::<RequestLine>("Request line"));
    let mut judged = 0;
    for mut line in lines() {
        let profile = line["profile"].to_string();
        if read(&profile, Some(Form::Item)).is_err() {
            // What an item may say has a schema of its own, tested above.
            line["profile"] = Value::Null;
        }
        let request: RequestLine = serde_json::from_value(line.clone()).unwrap();
        if request.endpoint().is_ok() && request.caller().is_ok() {
            let errors: Vec<_> = validator.iter_errors(&line).collect();
            assert!(errors.is_empty(), "{errors:?}\n{line}");
            judged += 1;
        }
    }
    assert!(judged > 150, "{judged}");
}

#[test]
fn request_line_that_cannot_be_judged_is_invalid_by_its_schema() {
    let validator = validator_of(&of_input::<RequestLine>("Request line"));
    let line = json!({
        "id": 1, "endpoint": "imds", "method": "GET", "target": "/m", "time": "2026-12-01T00:00:00Z",
        "caller": {"userName": "a", "unknown": 1}, "unknown": 1
    });
    assert!(validator.is_valid(&line));
    for (name, value) in [
        ("endpoint", json!("metadata")),
        ("destination", json!("imds")),
        ("method", Value::Null),
        ("target", json!(7)),
        ("url", json!("/m")),
        ("url_hex", json!("2")),
        ("caller", json!({"uid": -1})),
        ("claims", json!({})),
        ("time", json!("noon")),
        ("profile", json!({"mode": "Audit"})),
    ] {
        let mut broken = line.clone();
        broken[name] = value;
        assert!(!validator.is_valid(&broken), "{broken}");
        let read = RequestLine::read(broken.to_string().as_bytes());
        let is_judged = read.is_ok_and(|line| line.answer(jiff::Timestamp::UNIX_EPOCH).is_ok());
        assert!(!is_judged, "{broken}");
    }
    for name in ["endpoint", "method", "target", "caller"] {
        let mut broken = line.clone();
        broken.as_object_mut().unwrap().remove(name);
        assert!(!validator.is_valid(&broken), "{broken}");
    }
}

#[test]
fn caller_is_valid_by_its_schema_exactly_if_it_can_be_read() {
    let validator = validator_of(&of_input::<CallerDocument>("Caller"));
    let claims = lines().into_iter().map(|line| line["claims"].clone());
    let others = [
        json!({}),
        json!({"userName": null, "flags": []}),
        json!({"uid": 0, "gid": 1, "systemdUnit": "a.service", "flags": ["traced"]}),
        json!({"username": "a"}),
        json!({"uid": -1}),
        json!({"uid": "0"}),
        json!({"userGroups": "adm"}),
        json!({"userGroups": null}),
        json!({"processName": "curl"}),
        json!({"processName": 1}),
        json!({"flags": ["debugged"]}),
        json!([]),
    ];
    for caller in claims.chain(others) {
        let read = CallerClaims::strict(&caller).and_then(|claims| claims.caller());
        assert_eq!(validator.is_valid(&caller), read.is_ok(), "{caller}");
    }
}
