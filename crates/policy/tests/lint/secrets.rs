//! Tokens, certificates and the platform's own agents.

use latchkey_policy::lint::Code;
use serde_json::{Value, json};

use super::{Case, found, not_found};

fn allowed(mut change: Value) -> Value {
    change["defaultAccess"] = json!("Allow");
    change
}

fn token(privilege: Value) -> Value {
    let mut privilege = privilege;
    privilege["name"] = json!("token");
    json!({"rules": {"privileges": [privilege, {"name": "instance", "path": "/metadata/instance"}]}})
}

fn app(mut identity: Value) -> Value {
    identity["name"] = json!("app");
    json!({"rules": {"identities": [identity, {"name": "monitor", "exePath": "/opt/monitor"}]}})
}

/// The platform's role with these privileges alone, for an identity.
fn platform(privileges: &[&str], mut identity: Value) -> Value {
    identity["name"] = json!("root");
    json!({"rules": {
        "roles": [{"name": "platform", "privileges": privileges}],
        "identities": [identity],
    }})
}

pub(crate) fn cases() -> Vec<Case> {
    [by_default(), by_grant(), of_platform()]
        .into_iter()
        .flatten()
        .collect()
}

fn by_default() -> Vec<Case> {
    let token_path = "/metadata/identity/oauth2/token";
    let narrowed =
        json!({"path": token_path, "queryParameters": {"resource": "https://vault.azure.net"}});
    let all = json!({"rules": {"privileges": [
        {"name": "token", "path": "/metadata/identity/oauth2/token"}, {"name": "instance", "path": "/metadata"},
    ]}});
    let secure = json!({"rules": {"roles": [{"name": "platform", "privileges": ["machine"]}]}});
    let versions = json!({"rules": {
        "privileges": [{"name": "versions", "path": "/versions"}],
        "roles": [{"name": "platform", "privileges": ["versions"]}],
    }});
    let place = "/defaultAccess";
    vec![
        found(
            Code::TokenOpenByDefault,
            place,
            json!({"defaultAccess": "Allow", "rules": null}),
        ),
        found(Code::TokenOpenByDefault, place, allowed(token(narrowed))),
        found(
            Code::TokenOpenByDefault,
            place,
            allowed(token(json!({"path": "/metadata/identity/oauth2/token/"}))),
        ),
        found(
            Code::TokenOpenByDefault,
            place,
            allowed(token(json!({"path": token_path, "methods": ["PUT"]}))),
        ),
        found(
            Code::TokenOpenByDefault,
            place,
            allowed(json!({"rules": {"privileges": [
                {"name": "token", "path": "/latest/meta-data"}, {"name": "instance", "path": "/computeMetadata/v1/project"},
            ]}})),
        ),
        not_found(Code::TokenOpenByDefault, allowed(json!({}))),
        not_found(
            Code::TokenOpenByDefault,
            allowed(token(json!({"path": "/metadata/identity"}))),
        ),
        not_found(
            Code::TokenOpenByDefault,
            allowed(token(json!({"path": token_path, "pathMatch": "exact"}))),
        ),
        not_found(Code::TokenOpenByDefault, json!({"rules": null})),
        not_found(
            Code::TokenOpenByDefault,
            json!({"defaultAccess": "Allow", "mode": "Disabled", "rules": null}),
        ),
        found(Code::SecretOpenByDefault, place, allowed(json!({}))),
        not_found(Code::SecretOpenByDefault, allowed(all)),
        not_found(Code::SecretOpenByDefault, json!({})),
        not_found(
            Code::SecretOpenByDefault,
            allowed(json!({"rules": {"privileges": [
                {"name": "token", "path": "/latest/meta-data/iam"}, {"name": "instance", "path": "/latest/api"},
            ]}})),
        ),
        // Any date stands for `latest` there.
        found(
            Code::TokenOpenByDefault,
            place,
            allowed(json!({"rules": {"privileges": [
                {"name": "token", "path": "/latest/meta-data"}, {"name": "instance", "path": "/latest/api"},
            ]}})),
        ),
        found(
            Code::TokenOpenByDefault,
            place,
            allowed(json!({"rules": {"privileges": [
                {"name": "token", "path": "/opc/v2/identity"}, {"name": "instance", "path": "/opc/v1/instance"},
            ]}})),
        ),
        not_found(
            Code::TokenOpenByDefault,
            allowed(json!({"rules": {"privileges": [
                {"name": "token", "path": "/opc/v2/identity"}, {"name": "instance", "path": "/opc/v1/identity"},
            ]}})),
        ),
        found(Code::CertificatesOpenByDefault, place, allowed(versions)).of_wire_server(),
        not_found(Code::CertificatesOpenByDefault, allowed(secure)).of_wire_server(),
        not_found(Code::CertificatesOpenByDefault, json!({})).of_wire_server(),
    ]
}

fn by_grant() -> Vec<Case> {
    let first = "/rules/identities/0";
    let wide = |path: &str| {
        json!({"rules": {"privileges": [
            {"name": "token", "path": "/metadata/identity/oauth2/token"}, {"name": "instance", "path": path},
        ]}})
    };
    vec![
        found(
            Code::TokenForAnybody,
            first,
            app(json!({"exePath": "/opt/app/bin/app"})),
        ),
        found(
            Code::TokenForAnybody,
            first,
            app(json!({"processName": "app", "scriptPath": "/opt/a.py"})),
        ),
        of_anybody("/opc/v2/identity"),
        of_anybody("/latest/dynamic/instance-identity"),
        of_anybody("/2021-03-23/meta-data/ram"),
        of_anybody("/latest/meta-data/cam/security-credentials/role"),
        of_anybody("/instance_identity/v1/token"),
        of_anybody("/identity/v1/iam_tokens"),
        of_anybody("/openstack/latest/securitykey"),
        of_anybody("/computeMetadata/v1/instance/attributes/kube-env"),
        not_found(Code::TokenForAnybody, app(json!({"groupName": "app"}))),
        not_found(
            Code::TokenForAnybody,
            app(json!({"exePath": "/opt/app", "systemdUnit": "app.service"})),
        ),
        found(
            Code::TokenByWidePath,
            "/rules/privileges/1/path",
            wide("/metadata"),
        ),
        not_found(Code::TokenByWidePath, wide("/metadata/identity")),
        not_found(Code::TokenByWidePath, wide("/metadata/instance")),
        not_found(Code::TokenByWidePath, wide("/")),
    ]
}

/// Any user of the machine may ask for a path that yields tokens.
fn of_anybody(path: &str) -> Case {
    found(
        Code::TokenForAnybody,
        "/rules/identities/0",
        json!({"rules": {
            "privileges": [{"name": "token", "path": path}, {"name": "instance", "path": "/metadata/instance"}],
            "identities": [{"name": "app", "exePath": "/opt/app"}, {"name": "monitor", "exePath": "/opt/monitor"}],
        }}),
    )
}

fn of_platform() -> Vec<Case> {
    let all = [
        "versions",
        "machine",
        "settings",
        "host-versions",
        "health",
        "status",
        "health-service",
    ];
    let root = || json!({"userName": "root"});
    let cloud_init = json!({"userName": "root", "exePath": "/usr/bin/python3.11", "systemdUnit": "cloud-init-local.service"});
    let agent = json!({"userName": "root", "exePath": "/usr/bin/python3.11", "systemdUnit": "walinuxagent.service"});
    let other = json!({"userName": "root", "exePath": "/opt/other"});
    vec![
        found(
            Code::PlatformAgentRefused,
            "/rules",
            platform(&["machine"], root()),
        )
        .of_wire_server(),
        found(
            Code::PlatformAgentRefused,
            "/rules",
            platform(&all[..6], agent.clone()),
        )
        .of_wire_server(),
        not_found(Code::PlatformAgentRefused, platform(&all, agent.clone())).of_wire_server(),
        not_found(
            Code::PlatformAgentRefused,
            allowed(json!({"rules": {
                "privileges": [{"name": "machine", "path": "/machine"}],
                "roles": [{"name": "platform", "privileges": ["machine"]}],
            }})),
        )
        .of_wire_server(),
        found(
            Code::PlatformAgentMissing,
            "/rules",
            platform(&["machine"], cloud_init),
        )
        .of_wire_server(),
        found(Code::PlatformAgentMissing, "/rules", platform(&all, agent)).of_wire_server(),
        not_found(Code::PlatformAgentMissing, json!({})).of_wire_server(),
        found(Code::NoPlatformAgent, "/rules", platform(&all, other)).of_wire_server(),
        found(
            Code::NoPlatformAgent,
            "/rules",
            platform(&all, json!({"userName": "app"})),
        )
        .of_wire_server(),
        not_found(Code::NoPlatformAgent, json!({})).of_wire_server(),
        not_found(Code::NoPlatformAgent, json!({})),
    ]
}
