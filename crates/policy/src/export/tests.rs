//! What each target takes over, what it does not, and what is refused.

use serde_json::json;

use super::*;

const PROFILE: &str = include_str!("../../testdata/export/profile.json");

fn example() -> AuthorizationItem {
    serde_json::from_str(PROFILE).unwrap()
}

fn deployment() -> Deployment {
    Deployment {
        endpoint: HostEndpoint::Imds,
        os: Os::Linux,
        gallery: Some("my_gallery".parse().unwrap()),
        profile: Some("imds-linux".parse().unwrap()),
        version: Some("1.0.0".parse().unwrap()),
        location: Some("westeurope".to_owned()),
    }
}

fn resource() -> Target {
    Target::Resource("westeurope".to_owned())
}

#[test]
fn targets_are_written_as_before() {
    let regions = ["westeurope".to_owned(), "northeurope".to_owned()];
    for (target, regions, golden) in [
        (
            resource(),
            &regions[..],
            include_str!("../../testdata/export/resource.json"),
        ),
        (
            Target::Bicep(deployment()),
            &[],
            include_str!("../../testdata/export/profile.bicep"),
        ),
        (
            Target::Terraform(deployment()),
            &[],
            include_str!("../../testdata/export/profile.tf"),
        ),
        (
            Target::Local,
            &[],
            include_str!("../../testdata/export/IMDS_Rules.json"),
        ),
    ] {
        let export = export(&example(), &target, regions, Widening::Refuse).unwrap();
        assert_eq!(export.text, golden, "{target:?}");
    }
}

/// A profile in Audit with one value put in.
fn with(pointer: &str, field: &str, value: Value) -> AuthorizationItem {
    let mut document = json!({
        "defaultAccess": "Deny", "mode": "Audit", "id": "",
        "rules": {
            "privileges": [{"name": "p", "path": "/m/"}],
            "roles": [{"name": "r", "privileges": ["p"]}],
            "identities": [{"name": "i", "userName": "alice"}],
            "roleAssignments": [{"role": "r", "identities": ["i"]}]
        }
    });
    document.pointer_mut(pointer).unwrap()[field] = value;
    serde_json::from_value(document).unwrap()
}

fn losses(item: &AuthorizationItem, target: &Target) -> Vec<(String, Severity)> {
    let losses = match export(item, target, &[], Widening::Refuse) {
        Ok(export) => export.losses,
        Err(ExportError::Unsafe(losses)) => losses,
        Err(error) => panic!("{error}"),
    };
    let losses = losses.into_iter();
    losses.map(|loss| (loss.pointer, loss.severity)).collect()
}

#[test]
fn every_field_that_the_target_ignores_is_reported_with_its_place() {
    let (privilege, identity, assignment) = (
        "/rules/privileges/0",
        "/rules/identities/0",
        "/rules/roleAssignments/0",
    );
    let end = json!("2030-01-01T00:00:00Z");
    for (pointer, field, value, severity) in [
        ("", "auditUntil", end, Severity::Widens),
        (privilege, "methods", json!(["GET"]), Severity::Widens),
        (privilege, "pathMatch", json!("exact"), Severity::Widens),
        (privilege, "pathMatch", json!("segments"), Severity::Dropped),
        (privilege, "path", json!("/m"), Severity::Differs),
        (
            identity,
            "systemdUnit",
            json!("a.service"),
            Severity::Widens,
        ),
        (identity, "systemdSlice", json!("a.slice"), Severity::Widens),
        (identity, "containerId", json!("c"), Severity::Widens),
        (identity, "cgroup", json!("/a"), Severity::Widens),
        (identity, "scriptPath", json!("/s"), Severity::Widens),
        (
            identity,
            "exeSha256",
            json!(["0f".repeat(32)]),
            Severity::Widens,
        ),
        (identity, "uid", json!(1), Severity::Widens),
        (identity, "gid", json!(1), Severity::Widens),
        (identity, "forbid", json!(["traced"]), Severity::Widens),
        (assignment, "mode", json!("Enforce"), Severity::Widens),
        (assignment, "mode", json!("Audit"), Severity::Dropped),
        (assignment, "comment", json!("x"), Severity::Dropped),
    ] {
        assert_eq!(
            losses(&with(pointer, field, value), &resource()),
            [(format!("{pointer}/{field}"), severity)]
        );
    }
    assert_eq!(losses(&with("", "mode", json!("Audit")), &resource()), []);
}

#[test]
fn trial_of_an_assignment_would_be_stricter() {
    let mut item = with("/rules/roleAssignments/0", "mode", json!("Audit"));
    item.mode = "Enforce".to_owned();
    let pointer = "/rules/roleAssignments/0/mode".to_owned();
    assert_eq!(losses(&item, &resource()), [(pointer, Severity::Differs)]);
}

#[test]
fn widening_is_refused_until_it_is_accepted() {
    let item = with("/rules/privileges/0", "methods", json!(["GET"]));
    let refused = export(&item, &resource(), &[], Widening::Refuse);
    assert!(matches!(refused, Err(ExportError::Unsafe(losses)) if losses.len() == 1));
    let accepted = export(&item, &resource(), &[], Widening::Accept).unwrap();
    assert!(!accepted.text.contains("methods") && accepted.losses.len() == 1);
}

#[test]
fn identity_that_would_be_everybody_is_refused_always() {
    let unit = json!([{"name": "i", "systemdUnit": "a.service", "forbid": ["traced"]}]);
    let item = with("/rules", "identities", unit);
    for target in [resource(), Target::Local] {
        let refused = export(&item, &target, &[], Widening::Accept);
        let Err(ExportError::Unsafe(losses)) = refused else {
            panic!("{refused:?}")
        };
        let impossible = losses
            .iter()
            .find(|loss| loss.severity == Severity::Impossible);
        assert_eq!(impossible.unwrap().pointer, "/rules/identities/0");
    }
}

#[test]
fn local_file_says_what_the_deployed_agent_accepts() {
    let document = json!({
        "defaultAccess": "Deny", "mode": "Enforce", "id": " ",
        "rules": {
            "privileges": [{"name": "p", "path": "/m/"}],
            "roles": [
                {"name": "r", "privileges": ["p", "p"]},
                {"name": "nothing", "privileges": []}
            ],
            "identities": [{"name": "i", "userName": "alice"}],
            "roleAssignments": [
                {"role": "r", "identities": ["i", "i"]},
                {"role": "r", "identities": []},
                {"role": "nothing", "identities": ["i"]}
            ]
        }
    });
    let item: AuthorizationItem = serde_json::from_value(document).unwrap();
    let export = export(&item, &Target::Local, &[], Widening::Refuse).unwrap();
    let file: Value = serde_json::from_str(&export.text).unwrap();
    assert_eq!(
        file,
        json!({
            "defaultAccess": "Deny",
            "rules": {
                "privileges": [{"name": "p", "path": "/m/"}],
                "roles": [{"name": "r", "privileges": ["p"]}],
                "identities": [{"name": "i", "userName": "alice"}],
                "roleAssignments": [{"role": "r", "identities": ["i"]}]
            }
        })
    );
    let dropped: Vec<_> = export
        .losses
        .iter()
        .map(|loss| loss.pointer.as_str())
        .collect();
    assert_eq!(
        dropped,
        ["/mode", "/rules/roles/1", "/rules/roleAssignments/1"]
    );
}

#[test]
fn local_file_cannot_ask_for_a_blank_value() {
    let item = with("/rules/privileges/0", "queryParameters", json!({"a": ""}));
    let pointer = "/rules/privileges/0/queryParameters".to_owned();
    assert!(losses(&item, &Target::Local).contains(&(pointer, Severity::Impossible)));
    assert_eq!(losses(&item, &resource()), []);
}

#[test]
fn what_would_be_read_back_otherwise_is_refused() {
    let with = |parameters| with("/rules/privileges/0", "queryParameters", parameters);
    let pointer = "/rules/privileges/0/queryParameters".to_owned();
    for parameters in [
        json!({"x": "100%25"}),
        json!({"x": "a%3bb"}),
        json!({"a%3b": "1"}),
    ] {
        let item = with(parameters);
        for target in [resource(), Target::Local] {
            let lost = losses(&item, &target);
            let expected = (pointer.clone(), Severity::Impossible);
            assert!(lost.contains(&expected), "{item:?} {lost:?}");
        }
    }
    let plain = with(json!({"x": "a%20b"}));
    assert!(export(&plain, &Target::Local, &[], Widening::Refuse).is_ok());
}

#[test]
fn executable_is_written_as_the_kernel_knows_it() {
    let item = with("/rules/identities/0", "exePath", json!("/usr//bin/x/"));
    let text = export(&item, &resource(), &[], Widening::Refuse)
        .unwrap()
        .text;
    assert!(text.contains(r#""exePath": "/usr/bin/x""#), "{text}");
}
