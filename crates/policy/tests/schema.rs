//! The schemas in `docs/schema`: made from the types, accepting what is valid, refusing unknown fields.

use std::path::PathBuf;

use latchkey_policy::document::schema::{NAMES, schema};
use latchkey_policy::document::{Form, Resource, read, render};
use serde_json::{Value, json};

fn file(name: &str) -> PathBuf {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema");
    PathBuf::from(docs).join(format!("{name}.schema.json"))
}

fn validator(form: Form) -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(&schema(form)).unwrap();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    jsonschema::draft202012::new(&schema).unwrap()
}

/// The valid items of the vectors that read as ours, and one with everything that we add.
fn items() -> Vec<Value> {
    let vectors: Value =
        serde_json::from_str(include_str!("../testdata/authorization.json")).unwrap();
    let vectors = vectors["vectors"].as_array().unwrap();
    let mut items: Vec<Value> = vectors
        .iter()
        .map(|vector| vector["profile"].clone())
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
fn schemas_in_the_docs_are_those_of_the_types() {
    let is_update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    for (form, name) in NAMES {
        let made = schema(form);
        if is_update {
            std::fs::create_dir_all(file(name).parent().unwrap()).unwrap();
            std::fs::write(file(name), &made).unwrap();
        }
        let kept = std::fs::read_to_string(file(name)).unwrap_or_default();
        assert_eq!(
            kept, made,
            "docs/schema is old: UPDATE_SCHEMAS=1 cargo nextest run -p latchkey-policy --features schema schemas_in_the_docs"
        );
    }
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
