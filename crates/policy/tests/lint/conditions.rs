//! What privileges cover, and where their paths lead.

use latchkey_policy::lint::Code;
use serde_json::{Value, json};

use super::{Case, found, not_found};

/// The second privilege as given: what callers hold by `instance-reader`.
pub(crate) fn second(privilege: Value) -> Value {
    let mut privilege = privilege;
    privilege["name"] = json!("instance");
    json!({"rules": {"privileges": [
        {"name": "token", "path": "/metadata/identity/oauth2/token"}, privilege,
    ]}})
}

/// A third privilege, and the roles that there are.
fn third(privilege: &Value, roles: &Value) -> Value {
    json!({"rules": {
        "privileges": [
            {"name": "token", "path": "/metadata/identity/oauth2/token"},
            {"name": "instance", "path": "/metadata/instance"},
            privilege,
        ],
        "roles": roles,
    }})
}

fn path(path: &str) -> Value {
    second(json!({"path": path}))
}

fn allowed(mut change: Value) -> Value {
    change["defaultAccess"] = json!("Allow");
    change
}

pub(crate) fn cases() -> Vec<Case> {
    [covering(), paths()].into_iter().flatten().collect()
}

fn covering() -> Vec<Case> {
    let network = json!({"name": "network", "path": "/metadata/instance/network"});
    let same = json!({"name": "same", "path": "/Metadata//instance"});
    let with = |role: &str| {
        json!([
            {"name": "token-reader", "privileges": if role == "token-reader" { vec!["token", "network"] } else { vec!["token"] }},
            {"name": "instance-reader", "privileges": if role == "instance-reader" { vec!["instance", "network"] } else { vec!["instance"] }},
        ])
    };
    let roles = json!([
        {"name": "token-reader", "privileges": ["token"]},
        {"name": "instance-reader", "privileges": ["instance", "same"]},
    ]);
    let mut for_another = third(&network, &with("token-reader"));
    for_another["rules"]["roleAssignments"] = json!([
        {"role": "token-reader", "identities": ["app"]},
        {"role": "instance-reader", "identities": ["monitor"]},
    ]);
    let mut with_mode = third(&network, &with("instance-reader"));
    with_mode["rules"]["roleAssignments"] = json!([
        {"role": "token-reader", "identities": ["app"]},
        {"role": "instance-reader", "identities": ["app", "monitor"], "mode": "Audit"},
    ]);
    let sideways = json!({"name": "network", "path": "/metadata/instances"});
    vec![
        found(
            Code::DuplicatePrivilege,
            "/rules/privileges/2",
            third(&same, &roles),
        ),
        not_found(
            Code::DuplicatePrivilege,
            third(
                &json!({"name": "same", "path": "/metadata/instance", "methods": ["GET"]}),
                &roles,
            ),
        ),
        found(
            Code::ShadowedPrivilege,
            "/rules/privileges/2",
            third(&network, &with("instance-reader")),
        ),
        // Whoever is `token-reader` is `instance-reader` too.
        found(
            Code::ShadowedPrivilege,
            "/rules/privileges/2",
            third(&network, &with("token-reader")),
        ),
        not_found(Code::ShadowedPrivilege, for_another),
        not_found(Code::ShadowedPrivilege, with_mode),
        not_found(
            Code::ShadowedPrivilege,
            third(&sideways, &with("instance-reader")),
        ),
        found(
            Code::UnassignedPrivilege,
            "/rules/privileges/2",
            third(&network, &with("")),
        ),
        not_found(
            Code::UnassignedPrivilege,
            allowed(third(&network, &with(""))),
        ),
        not_found(
            Code::UnassignedPrivilege,
            third(&network, &with("token-reader")),
        ),
        found(
            Code::BlocksEverybody,
            "/rules/privileges/2",
            allowed(third(&network, &with(""))),
        ),
        not_found(
            Code::BlocksEverybody,
            allowed(third(&network, &with("token-reader"))),
        ),
        not_found(Code::BlocksEverybody, third(&network, &with(""))),
    ]
}

fn paths() -> Vec<Case> {
    let second_path = "/rules/privileges/1/path";
    let everything =
        |parameters: Value| second(json!({"path": "/", "queryParameters": parameters}));
    let methods =
        |methods: Value| second(json!({"path": "/metadata/instance", "methods": methods}));
    vec![
        found(Code::GrantsEverything, second_path, path("/")),
        found(
            Code::GrantsEverything,
            second_path,
            everything(json!({"api-version": "2018-02-01"})),
        ),
        // The service takes no notice of it, so that anybody may add it.
        found(
            Code::GrantsEverything,
            second_path,
            everything(json!({"x": "1"})),
        ),
        found(
            Code::GrantsEverything,
            second_path,
            everything(json!({"comp": "versions"})),
        ),
        not_found(Code::GrantsEverything, json!({})).of_wire_server(),
        not_found(
            Code::GrantsEverything,
            second(json!({"path": "/", "pathMatch": "exact"})),
        ),
        found(Code::ForeignPath, second_path, path("/machine")),
        found(Code::ForeignPath, second_path, path("/VMSettings")),
        not_found(Code::ForeignPath, path("/metadata/machine")),
        not_found(Code::ForeignPath, path("/status")),
        found(
            Code::ForeignPath,
            "/rules/privileges/0/path",
            json!({"rules": {
                "privileges": [{"name": "machine", "path": "/metadata/instance"}],
                "roles": [{"name": "platform", "privileges": ["machine"]}],
            }}),
        )
        .of_wire_server(),
        not_found(Code::ForeignPath, json!({})).of_wire_server(),
        found(Code::MixedEndpoints, second_path, path("/machine")).of_any(),
        not_found(Code::MixedEndpoints, path("/machine")),
        not_found(Code::MixedEndpoints, path("/versions")).of_any(),
        found(
            Code::VolatilePath,
            second_path,
            path("/metadata/2d8e2a4c-5d3a-4b3d-9c7b-000000000001"),
        ),
        found(
            Code::VolatilePath,
            second_path,
            path("/metadata/instance/1764000000/x"),
        ),
        not_found(Code::VolatilePath, path("/2021-03-23/meta-data")),
        not_found(
            Code::VolatilePath,
            path("/metadata/instance/network/interface/0"),
        ),
        found(
            Code::MethodGap,
            "/rules/privileges/1/methods",
            allowed(methods(json!(["GET", "PUT"]))),
        ),
        found(
            Code::MethodGap,
            "/rules/privileges/1/methods",
            allowed(methods(json!(["HEAD"]))),
        ),
        not_found(Code::MethodGap, allowed(methods(json!(["GET", "HEAD"])))),
        not_found(Code::MethodGap, allowed(methods(json!(["PUT"])))),
        not_found(Code::MethodGap, methods(json!(["GET"]))),
        not_found(Code::MethodGap, allowed(json!({}))),
        found(
            Code::WidenedOnDeployed,
            second_path,
            path("/metadata/instance/compute/vm"),
        ),
        not_found(
            Code::WidenedOnDeployed,
            path("/metadata/instance/compute/vm/"),
        ),
        not_found(Code::WidenedOnDeployed, path("/metadata/instance/compute")),
        found(
            Code::NeverMatchesOnDeployed,
            second_path,
            path("/metadata/%69nstance"),
        ),
        found(
            Code::NeverMatchesOnDeployed,
            second_path,
            path("/metadata//instance"),
        ),
        not_found(Code::NeverMatchesOnDeployed, path("/Metadata/Instance/")),
    ]
}
