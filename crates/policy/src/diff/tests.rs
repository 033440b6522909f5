//! What people are told about changes of small profiles.

use serde_json::{Value, json};

use super::*;

fn item(document: Value) -> AuthorizationItem {
    serde_json::from_value(document).unwrap()
}

fn profile() -> Value {
    json!({
        "defaultAccess": "Deny", "mode": "Enforce", "id": "1",
        "rules": {
            "privileges": [
                {"name": "instance", "path": "/metadata/instance"},
                {"name": "token", "path": "/metadata/identity/oauth2/token", "methods": ["GET"]}
            ],
            "roles": [
                {"name": "reader", "privileges": ["instance"]},
                {"name": "tokens", "privileges": ["token"]}
            ],
            "identities": [
                {"name": "backup", "systemdUnit": "backup.service"},
                {"name": "alice", "userName": "alice", "exePath": "/usr/bin/x"}
            ],
            "roleAssignments": [
                {"role": "reader", "identities": ["backup", "alice"]},
                {"role": "tokens", "identities": ["alice"]}
            ]
        }
    })
}

/// The profile with some values replaced.
fn with(changes: &[(&str, Value)]) -> AuthorizationItem {
    let mut document = profile();
    for (pointer, value) in changes {
        *document.pointer_mut(pointer).unwrap() = value.clone();
    }
    item(document)
}

fn difference(before: &AuthorizationItem, after: &AuthorizationItem) -> Difference {
    diff(before, after, EndpointKind::Imds).unwrap()
}

fn changes(difference: &Difference) -> Vec<(Entry, Change, &str)> {
    let changes = difference.changes.iter();
    changes
        .map(|change| (change.entry, change.change, change.name.as_str()))
        .collect()
}

fn effects(difference: &Difference) -> Vec<(Direction, &str)> {
    let effects = difference.effects.iter();
    effects
        .map(|effect| (effect.direction, effect.text.as_str()))
        .collect()
}

/// What is said when values of the profile are replaced, and when that is taken back.
fn said(replaced: &[(&str, Value)]) -> (Vec<String>, Vec<String>) {
    let (before, after) = (item(profile()), with(replaced));
    let texts = |difference: Difference| {
        let effects = difference.effects.into_iter();
        effects.map(|effect| effect.text).collect()
    };
    (
        texts(difference(&before, &after)),
        texts(difference(&after, &before)),
    )
}

#[test]
fn grant_of_one_more_privilege_is_said_of_its_identity() {
    let after = with(&[(
        "/rules/roleAssignments/1/identities",
        json!(["alice", "backup"]),
    )]);
    let difference = difference(&item(profile()), &after);
    assert_eq!(
        changes(&difference),
        [(Entry::Assignment, Change::Widened, "tokens")]
    );
    assert_eq!(
        effects(&difference),
        [(
            Direction::Widens,
            "`backup.service` may now also GET `/metadata/identity/oauth2/token`"
        )]
    );
    assert_eq!(difference.effects[0].identities, ["backup"]);
}

#[test]
fn grant_that_is_taken_back_is_said_too() {
    let (_, back) = said(&[("/rules/roleAssignments/1/identities", json!([]))]);
    assert_eq!(
        back,
        ["user `alice` with `/usr/bin/x` may now also GET `/metadata/identity/oauth2/token`"]
    );
    let (there, _) = said(&[("/rules/roleAssignments/1/identities", json!([]))]);
    assert_eq!(
        there,
        ["user `alice` with `/usr/bin/x` may no longer GET `/metadata/identity/oauth2/token`"]
    );
}

#[test]
fn order_case_encoding_and_names_have_no_effect() {
    let mut document = profile();
    let rules = document.pointer_mut("/rules").unwrap();
    for list in ["privileges", "roles", "identities", "roleAssignments"] {
        rules[list].as_array_mut().unwrap().reverse();
    }
    rules["privileges"][1]["path"] = json!("/Metadata/%49nstance");
    document["id"] = json!("2");
    let reordered = item(document.clone());
    assert!(difference(&item(profile()), &reordered).is_empty());

    document["rules"]["privileges"][1]["name"] = json!("compute");
    document["rules"]["roles"][1]["privileges"] = json!(["compute"]);
    let renamed = difference(&reordered, &item(document));
    assert_eq!(
        changes(&renamed),
        [(Entry::Privilege, Change::Renamed, "compute")]
    );
    assert_eq!(renamed.changes[0].former_name.as_deref(), Some("instance"));
    assert!(renamed.effects.is_empty());
}

#[test]
fn split_role_has_no_effect() {
    let joined = with(&[
        ("/rules/roles/1/privileges", json!(["token", "instance"])),
        ("/rules/roleAssignments/0/identities", json!(["backup"])),
    ]);
    let difference = difference(&item(profile()), &joined);
    assert!(!difference.changes.is_empty() && difference.effects.is_empty());
}

#[test]
fn widened_and_narrowed_go_by_the_meaning() {
    for (pointer, value, entry, there, back) in [
        (
            "/rules/privileges/0/path",
            json!("/metadata"),
            Entry::Privilege,
            Change::Widened,
            Change::Narrowed,
        ),
        (
            "/rules/privileges/1/methods",
            json!(["GET", "PUT"]),
            Entry::Privilege,
            Change::Widened,
            Change::Narrowed,
        ),
        (
            "/rules/privileges/1/path",
            json!("/metadata/instance"),
            Entry::Privilege,
            Change::Changed,
            Change::Changed,
        ),
        (
            "/rules/identities/1",
            json!({"name": "alice", "userName": "alice"}),
            Entry::Identity,
            Change::Widened,
            Change::Narrowed,
        ),
        (
            "/rules/identities/0",
            json!({"name": "backup", "systemdUnit": "backup.service", "forbid": ["traced"]}),
            Entry::Identity,
            Change::Narrowed,
            Change::Widened,
        ),
    ] {
        let (before, after) = (item(profile()), with(&[(pointer, value)]));
        for (difference, change) in [
            (difference(&before, &after), there),
            (difference(&after, &before), back),
        ] {
            let found = changes(&difference);
            assert!(
                found
                    .iter()
                    .any(|(own, how, _)| (*own, *how) == (entry, change)),
                "{pointer} {found:?}"
            );
        }
    }
}

#[test]
fn narrowed_path_is_an_effect_on_everybody_who_has_it() {
    let (there, back) = said(&[(
        "/rules/privileges/0",
        json!({
            "name": "instance", "path": "/metadata/instance", "pathMatch": "exact",
            "queryParameters": {"format": "text"}
        }),
    )]);
    assert_eq!(
        there,
        [
            "user `alice` with `/usr/bin/x` may no longer ask for `/metadata/instance` (still: exactly `/metadata/instance` with `format=text`)",
            "`backup.service` may no longer ask for `/metadata/instance` (still: exactly `/metadata/instance` with `format=text`)",
        ]
    );
    assert_eq!(back.len(), 2, "{back:?}");
    assert!(
        back.iter()
            .all(|text| text.ends_with("may now also ask for `/metadata/instance`"))
    );
}

#[test]
fn default_access_is_said_of_anybody() {
    assert_eq!(
        said(&[("/defaultAccess", json!("Allow"))]),
        (
            vec!["anybody may now ask for what no privilege covers (Allow)".to_owned()],
            vec!["nobody may ask any longer for what no privilege grants (Deny)".to_owned()],
        )
    );
}

#[test]
fn privilege_under_allow_reserves() {
    let mut before = profile();
    before["defaultAccess"] = json!("Allow");
    let mut after = before.clone();
    for list in ["privileges", "roles", "identities", "roleAssignments"] {
        after["rules"][list] = json!([]);
    }
    let (before, after) = (item(before), item(after));
    assert_eq!(
        effects(&difference(&before, &after)),
        [
            (
                Direction::Widens,
                "anybody may now GET `/metadata/identity/oauth2/token`, where no other privilege covers it"
            ),
            (
                Direction::Widens,
                "anybody may now ask for `/metadata/instance`, where no other privilege covers it"
            ),
        ]
    );
    assert_eq!(
        effects(&difference(&after, &before)),
        [
            (
                Direction::Narrows,
                "nobody without a grant may GET `/metadata/identity/oauth2/token` any longer"
            ),
            (
                Direction::Narrows,
                "nobody without a grant may ask for `/metadata/instance` any longer"
            ),
        ]
    );
}

#[test]
fn mode_is_said_of_all_refusals() {
    let (there, back) = said(&[("/mode", json!("Audit"))]);
    assert_eq!(
        there,
        ["nobody is refused any more: what the rules refuse is let through and recorded (Audit)"]
    );
    assert_eq!(
        back,
        ["what the rules refuse is refused from now on, no longer let through (Enforce)"]
    );
    let (there, _) = said(&[("/mode", json!("Disabled"))]);
    assert_eq!(
        there,
        ["nobody is refused any more, and nothing is checked (Disabled)"]
    );
}

#[test]
fn mode_of_an_assignment_is_said_of_its_privileges() {
    let (there, back) = said(&[(
        "/rules/roleAssignments/1",
        json!({"role": "tokens", "identities": ["alice"], "mode": "Audit"}),
    )]);
    let privilege = "GET `/metadata/identity/oauth2/token`";
    assert_eq!(
        there,
        [format!(
            "whoever has no grant for {privilege} is let through from now on, and recorded (Audit)"
        )]
    );
    assert_eq!(
        back,
        [format!(
            "whoever has no grant for {privilege} is refused from now on (Enforce)"
        )]
    );
}

#[test]
fn end_of_audit_is_said_where_something_is_in_audit() {
    let until = |mode: &str, end: Option<&str>| {
        let mut document = profile();
        document["mode"] = json!(mode);
        if let Some(end) = end {
            document["auditUntil"] = json!(end);
        }
        item(document)
    };
    let (open, ends) = (
        until("Audit", None),
        until("Audit", Some("2030-01-01T00:00:00Z")),
    );
    assert_eq!(
        effects(&difference(&open, &ends)),
        [(
            Direction::Narrows,
            "Audit lasts until 2030-01-01T00:00:00Z, not without an end"
        )]
    );
    let late = until("Audit", Some("2030-01-01T01:00:00+02:00"));
    assert_eq!(effects(&difference(&late, &ends))[0].0, Direction::Widens);
    let enforced = difference(
        &until("Enforce", None),
        &until("Enforce", Some("2030-01-01T00:00:00Z")),
    );
    assert!(enforced.effects.is_empty() && enforced.settings.len() == 1);
}

#[test]
fn json_is_stable() {
    let after = with(&[
        ("/mode", json!("Audit")),
        ("/rules/privileges/0/name", json!("compute")),
        ("/rules/roles/0/privileges", json!(["compute"])),
        ("/rules/roleAssignments/1/identities", json!([])),
    ]);
    let difference = difference(&item(profile()), &after);
    let text = serde_json::to_string_pretty(&difference).unwrap() + "\n";
    assert_eq!(text, include_str!("../../testdata/diff/difference.json"));
}

#[test]
fn narrower_identity_is_no_loss_of_all() {
    let instance = "user `alice` with `/usr/bin/x` may no longer ask for `/metadata/instance`";
    let now = "user `alice` with `/usr/bin/x` may now also ask for `/metadata/instance`";
    for (member, value, lost, gained) in [
        (
            "systemdUnit",
            json!("b.service"),
            " unless in `b.service`",
            ", not only in `b.service`",
        ),
        (
            "forbid",
            json!(["traced", "preloaded"]),
            " if preloaded or traced",
            " even if preloaded or traced",
        ),
    ] {
        let mut identity = profile()["rules"]["identities"][1].clone();
        identity[member] = value;
        let (there, back) = said(&[("/rules/identities/1", identity.clone())]);
        assert!(there.contains(&format!("{instance}{lost}")), "{there:?}");
        let now = now.replace(" also", "");
        assert!(back.contains(&format!("{now}{gained}")), "{back:?}");
        let difference = difference(
            &item(profile()),
            &with(&[("/rules/identities/1", identity)]),
        );
        assert_eq!(
            changes(&difference),
            [
                (Entry::Identity, Change::Narrowed, "alice"),
                (Entry::Assignment, Change::Narrowed, "reader"),
                (Entry::Assignment, Change::Narrowed, "tokens"),
            ]
        );
    }
}
