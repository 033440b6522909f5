//! What an explanation tells, as a tree and as JSON.

use std::sync::Arc;

use latchkey_protocol::head::{Parsed, parse};
use latchkey_protocol::{Attributes, EndpointTable, Flag, Flags, Mode};
use serde_json::json;

use super::*;
use crate::rules::RuleSet;

fn policy() -> EndpointPolicy {
    let item = serde_json::from_value(json!({
        "defaultAccess": "Deny", "mode": "Audit", "id": "test", "auditUntil": "1970-01-01T00:01:00Z",
        "rules": {
            "privileges": [
                {"name": "instance", "path": "/m/instance"},
                {"name": "token", "path": "/M/token", "methods": ["GET"], "pathMatch": "exact",
                 "queryParameters": {"resource": "https://Vault"}},
                {"name": "all", "path": "/m/"}
            ],
            "roles": [
                {"name": "tokens", "privileges": ["token"]}, {"name": "everything", "privileges": ["all"]}
            ],
            "identities": [
                {"name": "app", "userName": "app", "exePath": "/opt/app"},
                {"name": "backup", "systemdUnit": "backup.service", "forbid": ["traced"]}
            ],
            "roleAssignments": [
                {"role": "tokens", "identities": ["app"], "mode": "Enforce"},
                {"role": "everything", "identities": ["backup"]}
            ]
        }
    }));
    let rules = RuleSet::compile(&item.unwrap()).unwrap();
    EndpointPolicy::in_force(EndpointKind::Imds, Arc::new(rules))
}

fn user(name: &str, executable: &str) -> Attributes {
    Attributes {
        user_name: Some(name.to_owned()),
        executable: Some(executable.to_owned()),
        ..Attributes::default()
    }
}

fn explained(line: &str, attributes: Result<Attributes, Reason>, second: i64) -> Explanation {
    let table = EndpointTable::azure(Mode::Enforce);
    let text = format!("{line} HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n");
    let Ok(Parsed::Complete(head, _)) = parse(text.as_bytes()) else {
        panic!("{text}")
    };
    let request = Request::read(*head, &table.as_slice()[0]).unwrap();
    let caller = Caller {
        elevation: Elevation::Unprivileged,
        attributes,
    };
    let now = Timestamp::new(second, 0).unwrap();
    explain(&request, &caller, &policy(), KeyState::Held, now)
}

const TOKEN: &str = "GET /M/%74oken?resource=https%3A%2F%2Fvault&x=1";

#[test]
fn tree_tells_what_was_asked_who_is_meant_and_what_failed_first() {
    let tree = explained(TOKEN, Ok(user("app", "/usr/bin/curl")), 0).tree();
    assert_eq!(
        tree,
        "DENY caller_not_assigned: A rule covers this request, and it does not name this caller.
├─ request to imds: GET /M/%74oken?resource=https%3A%2F%2Fvault&x=1
│  └─ read as /m/token with resource=https://vault, x=1
├─ caller is not root, the endpoint serves everybody
├─ privilege `token` covers GET of /m/token alone with resource=https://vault
│  └─ identity `app`: exePath is `/usr/bin/curl`, wanted `/opt/app`
├─ privilege `all` covers /m/ and below
│  └─ identity `backup`: systemdUnit is unknown, wanted `backup.service`
├─ default access Deny: not asked, because a privilege covers the request
└─ mode Enforce: of the assignment of role `tokens`"
    );
}

#[test]
fn tree_of_what_is_allowed_names_privilege_and_identity() {
    let tree = explained(TOKEN, Ok(user("app", "/opt/app")), 0).tree();
    assert!(
        tree.starts_with("ALLOW by privilege `token` for identity `app`\n"),
        "{tree}"
    );
    assert!(
        tree.contains("identity `app` by role `tokens`: the caller is of it"),
        "{tree}"
    );
    assert!(tree.ends_with("mode Audit: of the profile"), "{tree}");
}

#[test]
fn tree_tells_ambiguity_unknown_callers_and_the_end_of_audit() {
    let tree = explained("GET /m/./x", Ok(user("app", "/opt/app")), 0).tree();
    assert!(tree.starts_with("DENY dot_segment: "), "{tree}");
    assert!(tree.contains("└─ ambiguous, dot_segment: "), "{tree}");
    let tree = explained("GET /n", Err(Reason::CallerGone), 0).tree();
    assert!(tree.starts_with("AUDIT caller_gone: "), "{tree}");
    assert!(
        tree.contains("; otherwise unknown, caller_gone: "),
        "{tree}"
    );
    let tree = explained("GET /n", Ok(user("app", "/opt/app")), 60).tree();
    assert!(tree.starts_with("DENY no_matching_rule: "), "{tree}");
    let ended = "mode Enforce: of the profile, whose Audit ended at 1970-01-01T00:01:00Z";
    assert!(tree.ends_with(ended), "{tree}");
}

#[test]
fn forbidden_flag_that_is_set_or_unknown_is_what_failed() {
    for (is_set, actual) in [(Some(true), "set"), (None, "unknown")] {
        let attributes = Attributes {
            systemd_unit: Some("backup.service".to_owned()),
            flags: Flags::default().with(Flag::Traced, is_set),
            ..Attributes::default()
        };
        let explanation = explained("GET /m/x", Ok(attributes), 0);
        let rules = explanation.rules.unwrap();
        let failed = rules.privileges[0].identities[0].failed.as_ref().unwrap();
        assert_eq!(
            (failed.selector, failed.actual[0].as_str()),
            ("forbid", actual)
        );
        assert_eq!(failed.wanted, ["traced"]);
    }
}

#[test]
fn texts_of_callers_cannot_command_a_terminal() {
    let tree = explained(TOKEN, Ok(user("app", "/tmp/\u{1b}[2Jx\n")), 0).tree();
    assert!(!tree.contains('\u{1b}'), "{tree:?}");
    assert!(tree.contains("/tmp/\\u{1b}[2Jx\\n"), "{tree}");
}

#[test]
fn json_form_is_stable() {
    let mut explanation = explained(TOKEN, Ok(user("app", "/usr/bin/curl")), 0);
    let rules = explanation.rules.as_mut().unwrap();
    rules.hash = "(hash)".to_owned();
    rules.privileges.truncate(1);
    assert_eq!(
        serde_json::to_value(&explanation).unwrap(),
        json!({
            "verdict": "deny", "reason": "caller_not_assigned", "rule": "privilege `token`",
            "request": {
                "endpoint": "imds", "method": "GET",
                "target": "/M/%74oken?resource=https%3A%2F%2Fvault&x=1",
                "canonical": {
                    "path": "/m/token", "trailingSlash": false,
                    "queryParameters": [["resource", "https://vault"], ["x", "1"]]
                },
                "ambiguous": null
            },
            "caller": {"isRoot": false, "rootRequired": false, "unknown": null},
            "rules": {
                "id": "test", "hash": "(hash)", "defaultAccess": "Deny",
                "privileges": [{
                    "name": "token", "path": "/m/token", "pathMatch": "exact", "methods": ["GET"],
                    "queryParameters": {"resource": "https://vault"},
                    "mode": "Enforce", "granted": false,
                    "identities": [{
                        "name": "app", "role": "tokens",
                        "failed": {"selector": "exePath", "wanted": ["/opt/app"], "actual": ["/usr/bin/curl"]}
                    }]
                }]
            },
            "mode": {"effective": "Enforce", "source": "assignment", "role": "tokens"},
            "signed": false
        })
    );
}
