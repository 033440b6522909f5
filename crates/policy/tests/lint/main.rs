//! Each kind of finding is told where it holds and not where it hardly does not.
//!
//! A case is a change (RFC 7396) to a profile with nothing to find.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up ends"
)]
#![expect(clippy::too_many_lines, reason = "tables of cases")]

use std::collections::{BTreeMap, BTreeSet};

use latchkey_policy::lint::{Code, Context, Finding, Severity};
use latchkey_policy::{RuleSet, lint};
use latchkey_protocol::EndpointKind;
use latchkey_protocol::authorization::AuthorizationItem;
use serde_json::{Value, json};

mod callers;
mod conditions;
mod documented;
mod lists;
mod machine;
mod many;
mod parameters;
mod secrets;
mod trial;

/// A change to a good profile, and whether and where it makes a finding.
struct Case {
    code: Code,
    endpoint: EndpointKind,
    is_told: bool,
    change: Value,
    /// The place of the finding; without, there is none of this code.
    found: Option<&'static str>,
}

fn found(code: Code, pointer: &'static str, change: Value) -> Case {
    Case {
        code,
        endpoint: EndpointKind::Imds,
        is_told: true,
        change,
        found: Some(pointer),
    }
}

fn not_found(code: Code, change: Value) -> Case {
    Case {
        code,
        endpoint: EndpointKind::Imds,
        is_told: true,
        change,
        found: None,
    }
}

impl Case {
    /// Whoever asks does not say for which endpoint the profile is.
    fn of_any(self) -> Self {
        let is_told = false;
        Self { is_told, ..self }
    }

    fn of_wire_server(self) -> Self {
        let endpoint = EndpointKind::WireServer;
        Self { endpoint, ..self }
    }
}

fn of_imds() -> Value {
    json!({
        "defaultAccess": "Deny", "mode": "Enforce", "id": "1",
        "rules": {
            "privileges": [
                {"name": "token", "path": "/metadata/identity/oauth2/token"},
                {"name": "instance", "path": "/metadata/instance"},
            ],
            "roles": [
                {"name": "token-reader", "privileges": ["token"]},
                {"name": "instance-reader", "privileges": ["instance"]},
            ],
            "identities": [
                {"name": "app", "userName": "app", "exePath": "/opt/app/bin/app"},
                {"name": "monitor", "userName": "monitor", "exePath": "/opt/monitor/agent"},
            ],
            "roleAssignments": [
                {"role": "token-reader", "identities": ["app"]},
                {"role": "instance-reader", "identities": ["app", "monitor"]},
            ],
        },
    })
}

fn of_wire_server() -> Value {
    json!({
        "defaultAccess": "Deny", "mode": "Enforce", "id": "1",
        "rules": {
            "privileges": [
                {"name": "versions", "path": "/", "queryParameters": {"comp": "versions"}},
                {"name": "machine", "path": "/machine"},
                {"name": "settings", "path": "/vmSettings"},
                {"name": "host-versions", "path": "/versions"},
                {"name": "health", "path": "/health"},
                {"name": "status", "path": "/status"},
                {"name": "health-service", "path": "/HealthService"},
            ],
            "roles": [{
                "name": "platform",
                "privileges": ["versions", "machine", "settings", "host-versions", "health", "status", "health-service"],
            }],
            "identities": [{"name": "root", "userName": "root"}],
            "roleAssignments": [{"role": "platform", "identities": ["root"]}],
        },
    })
}

/// Changes a document as RFC 7396 says.
fn patch(document: &mut Value, change: &Value) {
    let Value::Object(members) = change else {
        document.clone_from(change);
        return;
    };
    for (name, change) in members {
        if change.is_null() {
            document.as_object_mut().unwrap().remove(name);
        } else {
            patch(&mut document[name], change);
        }
    }
}

fn read(document: Value) -> AuthorizationItem {
    let item = serde_json::from_value(document).unwrap();
    RuleSet::compile(&item).unwrap();
    item
}

fn profile(endpoint: EndpointKind, change: &Value) -> AuthorizationItem {
    let mut document = match endpoint {
        EndpointKind::Imds => of_imds(),
        EndpointKind::WireServer | EndpointKind::HostGa => of_wire_server(),
    };
    patch(&mut document, change);
    read(document)
}

fn context(endpoint: EndpointKind) -> Context<'static> {
    Context {
        endpoint: Some(endpoint),
        now: "2026-11-01T00:00:00Z".parse().unwrap(),
        machine: None,
    }
}

fn cases() -> Vec<Case> {
    [
        trial::cases(),
        conditions::cases(),
        parameters::cases(),
        lists::cases(),
        callers::cases(),
        secrets::cases(),
        machine::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn good_profiles_have_nothing_to_warn_of() {
    for endpoint in [EndpointKind::Imds, EndpointKind::WireServer] {
        let findings = lint(&profile(endpoint, &json!({})), &context(endpoint));
        let worse: Vec<&Finding> = findings
            .iter()
            .filter(|one| one.severity > Severity::Note)
            .collect();
        assert!(worse.is_empty(), "{worse:?}");
    }
    let imds = EndpointKind::Imds;
    assert_eq!(lint(&profile(imds, &json!({})), &context(imds)), []);
}

#[test]
fn finding_is_told_where_it_holds_and_nowhere_else() {
    let here = machine::Fake;
    for Case {
        code,
        endpoint,
        is_told,
        change,
        found,
    } in cases()
    {
        let context = Context {
            endpoint: is_told.then_some(endpoint),
            machine: Some(&here),
            ..context(endpoint)
        };
        let item = profile(endpoint, &change);
        let findings = lint(&item, &context);
        let places: Vec<&str> = findings
            .iter()
            .filter(|one| one.code == code)
            .map(|one| one.pointer.as_str())
            .collect();
        assert_eq!(
            places,
            found.into_iter().collect::<Vec<_>>(),
            "{code}: {change}\n{findings:#?}"
        );
        let document = serde_json::to_value(&item).unwrap();
        for Finding { pointer, .. } in findings {
            assert!(
                document.pointer(&pointer).is_some(),
                "{code}: {pointer} is nowhere"
            );
        }
    }
}

#[test]
fn every_code_has_a_case_that_is_found_and_one_that_is_not() {
    let mut seen: BTreeMap<Code, BTreeSet<bool>> = BTreeMap::new();
    for case in cases() {
        seen.entry(case.code)
            .or_default()
            .insert(case.found.is_some());
    }
    for code in Code::ALL {
        let of_code = seen.get(code).map(BTreeSet::len);
        assert_eq!(of_code, Some(2), "{code} lacks a case");
    }
}

#[test]
fn finding_is_one_line_for_people_and_an_object_for_programs() {
    let change = json!({"rules": {"privileges": [
        {"name": "token", "path": "/metadata/identity/oauth2/token"},
        {"name": "instance", "path": "/machine"},
    ]}});
    let imds = EndpointKind::Imds;
    let [finding] = lint(&profile(imds, &change), &context(imds))
        .try_into()
        .unwrap();
    assert_eq!(
        finding.to_string(),
        "error[foreign_path] at `/rules/privileges/1/path`: `instance` is about `/machine`, which wireserver serves, \
         in a profile for imds: move it into the profile of that endpoint; here it protects and grants nothing"
    );
    let object = serde_json::to_value(&finding).unwrap();
    assert_eq!(object["code"], "foreign_path");
    assert_eq!(object["severity"], "error");
    let members: Vec<&String> = object.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        ["code", "severity", "pointer", "message", "remedy"]
    );
}

#[test]
fn findings_stand_in_the_order_of_the_document() {
    let privileges: Vec<_> = (0..12)
        .map(|at| json!({"name": format!("n{at}"), "path": format!("/p{at}/x")}))
        .collect();
    let change = json!({"auditUntil": "2020-01-01T00:00:00Z", "mode": "Audit", "rules": {
        "privileges": privileges, "roles": [{"name": "empty", "privileges": []}],
        "identities": [], "roleAssignments": [],
    }});
    let imds = EndpointKind::Imds;
    let findings = lint(&profile(imds, &change), &context(imds));
    let places: Vec<&str> = findings.iter().map(|one| one.pointer.as_str()).collect();
    assert_eq!(
        places[places.len() - 2..],
        ["/rules/roles/0", "/rules/roles/0"]
    );
    let of_two = places
        .iter()
        .position(|place| *place == "/rules/privileges/2")
        .unwrap();
    let of_ten = places
        .iter()
        .position(|place| *place == "/rules/privileges/10")
        .unwrap();
    assert!(of_two < of_ten, "{places:?}");
}

#[test]
fn invalid_document_has_no_findings() {
    let item: AuthorizationItem =
        serde_json::from_value(json!({"defaultAccess": "x", "mode": "Enforce", "id": ""})).unwrap();
    assert_eq!(lint(&item, &context(EndpointKind::Imds)), []);
}
