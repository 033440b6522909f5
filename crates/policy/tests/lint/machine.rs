//! What a machine says about the callers that a profile names.

use latchkey_policy::lint;
use latchkey_policy::lint::machine::{Facts, File, Machine, Writable};
use latchkey_policy::lint::{Code, Context};
use latchkey_protocol::EndpointKind;
use serde_json::{Value, json};

use super::{Case, context, found, not_found, profile};

/// A machine whose files tell by their names what is with them, and that lacks what is called `missing`.
pub(crate) struct Fake;

impl Machine for Fake {
    fn has_user(&self, name: &str) -> Option<bool> {
        Some(name != "missing").filter(|_| name != "unknown")
    }

    fn has_group(&self, name: &str) -> Option<bool> {
        self.has_user(name)
    }

    fn has_unit(&self, name: &str) -> Option<bool> {
        self.has_user(name.trim_end_matches(".service"))
    }

    fn file(&self, path: &str) -> Option<File> {
        let facts = Facts::default();
        match path {
            "/unknown" => None,
            "/missing" => Some(File::Missing),
            "/linked" => Some(File::Present(Facts {
                leads_to: Some("/target".to_owned()),
                ..facts
            })),
            "/writable/app" => writable(None),
            "/of-monitor/app" => writable(Some("monitor")),
            "/script" => Some(File::Present(Facts {
                interpreter: Some("/bin/sh".to_owned()),
                ..facts
            })),
            _ => Some(File::Present(facts)),
        }
    }
}

fn writable(only_by: Option<&str>) -> Option<File> {
    let writable = Writable {
        path: "/writable".to_owned(),
        only_by: only_by.map(str::to_owned),
    };
    Some(File::Present(Facts {
        writable: Some(writable),
        ..Facts::default()
    }))
}

fn identity(mut identity: Value) -> Value {
    identity["name"] = json!("monitor");
    json!({"rules": {"identities": [{"name": "app", "userName": "app", "exePath": "/opt/app/bin/app"}, identity]}})
}

pub(crate) fn cases() -> Vec<Case> {
    let file = |path: &str| identity(json!({"userName": "monitor", "exePath": path}));
    let script = |path: &str| identity(json!({"userName": "monitor", "scriptPath": path}));
    let unit = |name: &str| identity(json!({"userName": "monitor", "systemdUnit": name}));
    let (exe, of_script) = (
        "/rules/identities/1/exePath",
        "/rules/identities/1/scriptPath",
    );
    let of_another = identity(json!({"groupName": "monitor", "exePath": "/of-monitor/app"}));
    let contained =
        identity(json!({"userName": "monitor", "exePath": "/missing", "containerId": "c1"}));
    vec![
        found(
            Code::UnknownUser,
            "/rules/identities/1/userName",
            identity(json!({"userName": "missing"})),
        ),
        not_found(Code::UnknownUser, identity(json!({"userName": "unknown"}))),
        found(
            Code::UnknownGroup,
            "/rules/identities/1/groupName",
            identity(json!({"groupName": "missing"})),
        ),
        not_found(Code::UnknownGroup, identity(json!({"groupName": "there"}))),
        found(
            Code::UnknownUnit,
            "/rules/identities/1/systemdUnit",
            unit("missing.service"),
        ),
        not_found(Code::UnknownUnit, unit("unknown.service")),
        found(Code::MissingFile, exe, file("/missing")),
        found(Code::MissingFile, of_script, script("/missing")),
        not_found(Code::MissingFile, file("/unknown")),
        not_found(Code::MissingFile, contained),
        found(Code::LinkedFile, exe, file("/linked")),
        not_found(Code::LinkedFile, file("/target")),
        found(Code::WritableFile, exe, file("/writable/app")),
        found(Code::WritableFile, of_script, script("/writable/app")),
        found(Code::WritableFile, of_script, script("/of-monitor/app")),
        found(Code::WritableFile, exe, of_another),
        not_found(Code::WritableFile, file("/of-monitor/app")),
        not_found(Code::WritableFile, file("/opt/app")),
        found(Code::FileOfItsUser, exe, file("/of-monitor/app")),
        not_found(Code::FileOfItsUser, file("/writable/app")),
        not_found(Code::FileOfItsUser, script("/of-monitor/app")),
        found(Code::ScriptAsExecutable, exe, file("/script")),
        not_found(Code::ScriptAsExecutable, script("/script")),
    ]
}

#[test]
fn nothing_is_said_about_a_machine_that_is_not_asked() {
    let imds = EndpointKind::Imds;
    let item = profile(
        imds,
        &identity(json!({"userName": "missing", "exePath": "/missing"})),
    );
    assert_eq!(lint(&item, &context(imds)), []);
    let context = Context {
        machine: Some(&Fake),
        ..context(imds)
    };
    let codes: Vec<Code> = lint(&item, &context)
        .iter()
        .map(|finding| finding.code)
        .collect();
    assert_eq!(codes, [Code::MissingFile, Code::UnknownUser]);
}
