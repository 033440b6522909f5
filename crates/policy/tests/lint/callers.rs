//! Identities, and what deployed agents make of them.

use latchkey_policy::lint::Code;
use serde_json::{Value, json};

use super::{Case, found, not_found};

/// The second identity as given, which reads the instance's data and no tokens.
fn identity(mut identity: Value) -> Value {
    identity["name"] = json!("monitor");
    json!({"rules": {"identities": [{"name": "app", "userName": "app", "exePath": "/opt/app/bin/app"}, identity]}})
}

fn running(path: &str) -> Value {
    identity(json!({"userName": "monitor", "exePath": path}))
}

pub(crate) fn cases() -> Vec<Case> {
    let digests = vec!["0".repeat(64)];
    let (path, name) = (
        "/rules/identities/1/exePath",
        "/rules/identities/1/processName",
    );
    let second = "/rules/identities/1";
    let unit = json!({"systemdUnit": "app.service"});
    let mut unused = identity(unit.clone());
    unused["rules"]["roleAssignments"] = json!([
        {"role": "token-reader", "identities": ["app"]}, {"role": "instance-reader", "identities": ["app"]},
    ]);
    vec![
        found(Code::BareInterpreter, path, running("/usr/bin/python3.11")),
        found(Code::BareInterpreter, path, running("/bin/busybox")),
        found(
            Code::BareInterpreter,
            name,
            identity(json!({"userName": "monitor", "processName": "node"})),
        ),
        not_found(Code::BareInterpreter, running("/opt/python3/bin/server")),
        not_found(
            Code::BareInterpreter,
            identity(
                json!({"userName": "root", "exePath": "/usr/bin/python3", "scriptPath": "/opt/monitor/main.py"}),
            ),
        ),
        not_found(
            Code::BareInterpreter,
            identity(
                json!({"userName": "root", "exePath": "/usr/bin/python3", "systemdUnit": "app.service"}),
            ),
        ),
        found(Code::RelayExecutable, path, running("/usr/bin/curl")),
        found(
            Code::RelayExecutable,
            path,
            identity(
                json!({"userName": "squid", "exePath": "/usr/sbin/squid", "systemdUnit": "squid.service"}),
            ),
        ),
        not_found(
            Code::RelayExecutable,
            identity(
                json!({"userName": "root", "exePath": "/usr/bin/curl", "systemdUnit": "backup.service"}),
            ),
        ),
        not_found(Code::RelayExecutable, running("/opt/curler/bin/app")),
        found(
            Code::ProcessNameAlone,
            name,
            identity(json!({"processName": "agent"})),
        ),
        found(
            Code::ProcessNameAlone,
            name,
            identity(json!({"processName": "agent", "forbid": ["traced"]})),
        ),
        not_found(
            Code::ProcessNameAlone,
            identity(json!({"processName": "agent", "exePath": "/opt/agent"})),
        ),
        not_found(
            Code::ProcessNameAlone,
            identity(json!({"processName": "agent", "userName": "monitor"})),
        ),
        found(
            Code::ProcessNameOfUser,
            name,
            identity(json!({"processName": "agent", "userName": "monitor"})),
        ),
        found(
            Code::ProcessNameOfUser,
            name,
            identity(json!({"processName": "agent", "uid": 7})),
        ),
        not_found(
            Code::ProcessNameOfUser,
            identity(json!({"processName": "agent"})),
        ),
        not_found(
            Code::ProcessNameOfUser,
            identity(
                json!({"processName": "agent", "userName": "monitor", "exePath": "/opt/agent"}),
            ),
        ),
        found(
            Code::UndefinedAccount,
            "/rules/identities/1/userName",
            identity(json!({"userName": "undefined"})),
        ),
        found(
            Code::UndefinedAccount,
            "/rules/identities/1/groupName",
            identity(json!({"userName": "monitor", "groupName": "undefined"})),
        ),
        not_found(
            Code::UndefinedAccount,
            identity(json!({"processName": "undefined"})),
        ),
        found(
            Code::PinnedDigest,
            "/rules/identities/1/exeSha256",
            identity(json!({"userName": "monitor", "exeSha256": digests})),
        ),
        not_found(Code::PinnedDigest, json!({})),
        found(Code::EverybodyOnDeployed, second, identity(unit)),
        found(
            Code::EverybodyOnDeployed,
            second,
            identity(json!({"uid": 7})),
        ),
        not_found(
            Code::EverybodyOnDeployed,
            identity(json!({"systemdUnit": "app.service", "userName": "monitor"})),
        ),
        not_found(Code::EverybodyOnDeployed, unused),
        found(
            Code::IgnoredByDeployed,
            "/rules",
            identity(json!({"systemdUnit": "app.service", "userName": "monitor", "uid": 7})),
        ),
        found(
            Code::IgnoredByDeployed,
            "/auditUntil",
            json!({"mode": "Audit", "auditUntil": "2027-01-01T00:00:00Z", "rules": null}),
        ),
        not_found(Code::IgnoredByDeployed, json!({})),
        not_found(
            Code::IgnoredByDeployed,
            json!({"rules": {"roleAssignments": [
                {"role": "token-reader", "identities": ["app"], "comment": "asked for by the team"},
                {"role": "instance-reader", "identities": ["app", "monitor"]},
            ]}}),
        ),
    ]
}
