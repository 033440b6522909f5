//! Unions and conflicts of small profiles.

use serde_json::{Value, json};

use super::*;

fn item(document: Value) -> AuthorizationItem {
    serde_json::from_value(document).unwrap()
}

fn profile(privilege: &Value, identity: &Value) -> Value {
    let (of, to) = (privilege["name"].clone(), identity["name"].clone());
    json!({
        "defaultAccess": "Deny", "mode": "Enforce", "id": "x",
        "rules": {
            "privileges": [privilege], "roles": [{"name": "r", "privileges": [of]}],
            "identities": [identity], "roleAssignments": [{"role": "r", "identities": [to]}]
        }
    })
}

fn alice() -> Value {
    profile(
        &json!({"name": "p", "path": "/a"}),
        &json!({"name": "i", "userName": "alice"}),
    )
}

fn conflicts(first: Value, second: Value, prefer: Option<Prefer>) -> Vec<Conflict> {
    match merge(&item(first), &item(second), prefer) {
        Err(MergeError::Conflicts(conflicts)) => conflicts,
        other => panic!("{other:?}"),
    }
}

fn merged(first: Value, second: Value, prefer: Option<Prefer>) -> Value {
    let merged = merge(&item(first), &item(second), prefer).unwrap();
    crate::RuleSet::compile(&merged).unwrap();
    serde_json::to_value(&merged).unwrap()
}

#[test]
fn same_content_under_two_names_is_one_entry() {
    let second = profile(
        &json!({"name": "q", "path": "/%41"}),
        &json!({"name": "j", "userName": "alice"}),
    );
    assert_eq!(merged(alice(), second, None), alice());
}

#[test]
fn different_entries_stand_side_by_side() {
    let mut second = profile(
        &json!({"name": "q", "path": "/b"}),
        &json!({"name": "j", "userName": "bob"}),
    );
    second["rules"]["roles"][0]["name"] = json!("s");
    second["rules"]["roleAssignments"][0]["role"] = json!("s");
    second["id"] = json!("y");
    let merged = merged(alice(), second, None);
    assert_eq!(merged["id"], "x+y");
    for list in ["privileges", "roles", "identities", "roleAssignments"] {
        assert_eq!(merged["rules"][list].as_array().unwrap().len(), 2, "{list}");
    }
}

#[test]
fn assignments_of_one_role_are_joined_unless_their_modes_differ() {
    let bob = |mode: Value| {
        let mut second = profile(
            &json!({"name": "p", "path": "/a"}),
            &json!({"name": "j", "userName": "bob"}),
        );
        second["rules"]["roleAssignments"][0]["mode"] = mode;
        second
    };
    let joined = merged(alice(), bob(Value::Null), None);
    assert_eq!(
        joined["rules"]["roleAssignments"],
        json!([{"role": "r", "identities": ["i", "j"]}])
    );
    let apart = merged(alice(), bob(json!("Audit")), None);
    assert_eq!(
        apart["rules"]["roleAssignments"][1],
        json!({"role": "r", "identities": ["j"], "mode": "Audit"})
    );
}

#[test]
fn one_name_with_two_meanings_is_a_conflict_with_both_contents() {
    let second = profile(
        &json!({"name": "p", "path": "/b", "methods": ["GET"]}),
        &json!({"name": "i", "userName": "bob"}),
    );
    let conflicts = conflicts(alice(), second, None);
    let said: Vec<_> = conflicts
        .iter()
        .map(|conflict| (conflict.pointers[1].as_str(), conflict.to_string()))
        .collect();
    assert_eq!(
        said,
        [
            (
                "/rules/privileges/0",
                "privilege `p` is `/a` in the first profile and GET `/b` in the second: \
                 rename one of them, or choose with --prefer"
                    .to_owned()
            ),
            (
                "/rules/identities/0",
                "identity `i` is user `alice` in the first profile and user `bob` in the second: \
                 rename one of them, or choose with --prefer"
                    .to_owned()
            ),
        ]
    );
}

#[test]
fn settings_that_differ_are_conflicts_until_something_is_preferred() {
    let mut second = alice();
    second["mode"] = json!("Audit");
    second["defaultAccess"] = json!("Allow");
    second["auditUntil"] = json!("2030-01-01T00:00:00Z");
    let conflicts = conflicts(alice(), second.clone(), None);
    let subjects: Vec<_> = conflicts.iter().map(|it| it.subject.as_str()).collect();
    assert_eq!(subjects, ["`mode`", "`defaultAccess`", "`auditUntil`"]);
    for (prefer, expected) in [
        (Prefer::First, ["Enforce", "Deny", ""]),
        (Prefer::Second, ["Audit", "Allow", "2030-01-01T00:00:00Z"]),
        (Prefer::Strict, ["Enforce", "Deny", "2030-01-01T00:00:00Z"]),
    ] {
        let merged = merged(alice(), second.clone(), Some(prefer));
        let settings = ["mode", "defaultAccess", "auditUntil"]
            .map(|field| merged[field].as_str().unwrap_or_default().to_owned());
        assert_eq!(settings, expected, "{prefer:?}");
    }
}

#[test]
fn strict_takes_the_narrower_entry_and_leaves_what_is_neither() {
    let narrower = json!({"name": "p", "path": "/a/b"});
    let bob = json!({"name": "i", "userName": "bob"});
    let second = profile(&narrower, &json!({"name": "i", "userName": "alice"}));
    let strict = Some(Prefer::Strict);
    assert_eq!(
        merged(alice(), second.clone(), strict)["rules"]["privileges"][0],
        narrower
    );
    let (mut open, mut other) = (alice(), second);
    open["defaultAccess"] = json!("Allow");
    other["defaultAccess"] = json!("Allow");
    assert_eq!(conflicts(open, other, strict).len(), 1);
    let incomparable = profile(&json!({"name": "p", "path": "/a"}), &bob);
    assert_eq!(conflicts(alice(), incomparable, strict).len(), 1);
}

#[test]
fn preferred_entry_does_not_take_along_what_had_its_meaning() {
    // The second calls `/a` q, and `/b` p.
    let mut second = profile(
        &json!({"name": "p", "path": "/b"}),
        &json!({"name": "i", "userName": "alice"}),
    );
    let privileges = second["rules"]["privileges"].as_array_mut().unwrap();
    privileges.push(json!({"name": "q", "path": "/a"}));
    let merged = merged(alice(), second, Some(Prefer::Second));
    assert_eq!(
        merged["rules"]["privileges"],
        json!([{"name": "p", "path": "/b"}, {"name": "q", "path": "/a"}])
    );
}

#[test]
fn namesakes_of_the_loser_get_nothing_of_the_winner() {
    // Both call it reader: to the first that is more than to the second.
    let mut first = alice();
    let rules = &mut first["rules"];
    rules["privileges"] = json!([{"name": "p", "path": "/a"}, {"name": "q", "path": "/b"}]);
    rules["roles"][0]["privileges"] = json!(["p", "q"]);
    let second = profile(
        &json!({"name": "p", "path": "/a"}),
        &json!({"name": "j", "userName": "bob"}),
    );
    let assigned = |prefer| {
        merged(first.clone(), second.clone(), Some(prefer))["rules"]["roleAssignments"].clone()
    };
    assert_eq!(
        assigned(Prefer::First),
        json!([{"role": "r", "identities": ["i"]}])
    );
    assert_eq!(
        assigned(Prefer::Second),
        json!([{"role": "r", "identities": ["j"]}])
    );
}

#[test]
fn trials_of_the_loser_are_enforced() {
    let on_trial = |mut of: Value| {
        of["rules"]["roleAssignments"][0]["mode"] = json!("Audit");
        of
    };
    let second = profile(
        &json!({"name": "p", "path": "/a"}),
        &json!({"name": "j", "userName": "bob"}),
    );
    let modes = |prefer| {
        let merged = merged(on_trial(alice()), on_trial(second.clone()), prefer);
        let assignments = merged["rules"]["roleAssignments"].as_array().unwrap();
        let modes = assignments.iter().map(|one| one["mode"].clone());
        modes.collect::<Vec<_>>()
    };
    assert_eq!(modes(None), ["Audit"]);
    assert_eq!(modes(Some(Prefer::First)), [json!("Audit"), Value::Null]);
    assert_eq!(modes(Some(Prefer::Second)), [Value::Null, json!("Audit")]);
    assert_eq!(modes(Some(Prefer::Strict)), [Value::Null]);
}
