//! Lists that come to nothing, and the names in them.

use latchkey_policy::lint::Code;
use serde_json::{Value, json};

use super::{Case, found, not_found};

pub(crate) fn cases() -> Vec<Case> {
    let roles = |third: Value| {
        json!({"rules": {"roles": [
            {"name": "token-reader", "privileges": ["token"]},
            {"name": "instance-reader", "privileges": ["instance"]},
            third,
        ]}})
    };
    let assigned = |third: Value| {
        json!({"rules": {"roleAssignments": [
            {"role": "token-reader", "identities": ["app"]},
            {"role": "instance-reader", "identities": ["app", "monitor"]},
            third,
        ]}})
    };
    let renamed = |name: &str| {
        json!({"rules": {
            "roles": [
                {"name": "token-reader", "privileges": ["token"]},
                {"name": name, "privileges": ["instance"]},
            ],
            "roleAssignments": [
                {"role": "token-reader", "identities": ["app"]},
                {"role": name, "identities": ["app", "monitor"]},
            ],
        }})
    };
    let user = |name: &str| {
        json!({"rules": {"identities": [
            {"name": "app", "userName": "app"}, {"name": "monitor", "userName": name},
        ]}})
    };
    vec![
        found(
            Code::UnseenCharacters,
            "/rules/identities/1/userName",
            user("moni\u{202e}tor"),
        ),
        found(
            Code::UnseenCharacters,
            "/rules/roles/1/name",
            renamed("reader\u{9b}2J"),
        ),
        not_found(Code::UnseenCharacters, user("me\u{301}lanie")),
        found(
            Code::EmptyRole,
            "/rules/roles/2",
            roles(json!({"name": "none", "privileges": []})),
        ),
        not_found(Code::EmptyRole, json!({})),
        found(
            Code::UnassignedRole,
            "/rules/roles/2",
            roles(json!({"name": "more", "privileges": ["token"]})),
        ),
        not_found(Code::UnassignedRole, json!({})),
        found(
            Code::EmptyAssignment,
            "/rules/roleAssignments/2",
            assigned(json!({"role": "token-reader", "identities": []})),
        ),
        not_found(
            Code::EmptyAssignment,
            assigned(json!({"role": "token-reader", "identities": ["monitor"]})),
        ),
        found(
            Code::UnusedIdentity,
            "/rules/identities/1",
            json!({"rules": {"roleAssignments": [
                {"role": "token-reader", "identities": ["app"]}, {"role": "instance-reader", "identities": ["app"]},
            ]}}),
        ),
        not_found(Code::UnusedIdentity, json!({})),
        found(
            Code::ConfusableNames,
            "/rules/roles/1/name",
            renamed("Token-Reader"),
        ),
        // The second letter is Cyrillic.
        found(
            Code::ConfusableNames,
            "/rules/roles/1/name",
            renamed("t\u{43e}ken-reader"),
        ),
        found(
            Code::ConfusableNames,
            "/rules/identities/1/userName",
            user("App"),
        ),
        not_found(Code::ConfusableNames, renamed("token-readers")),
        not_found(Code::ConfusableNames, user("app")),
        found(
            Code::GeneratedName,
            "/rules/roles/1/name",
            renamed("role_2d8e2a4c-5d3a-4b3d-9c7b-000000000001"),
        ),
        not_found(Code::GeneratedName, renamed("role-12")),
    ]
}
