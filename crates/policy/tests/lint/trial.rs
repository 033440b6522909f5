//! Mode, default and the end of Audit.

use latchkey_policy::lint::Code;
use serde_json::json;

use super::{Case, found, not_found};

pub(crate) fn cases() -> Vec<Case> {
    let nothing = json!({"privileges": [], "roles": [], "identities": [], "roleAssignments": []});
    let assigned = |first: &str, second: &str| {
        json!([
            {"role": "token-reader", "identities": ["app"], "mode": first},
            {"role": "instance-reader", "identities": ["app", "monitor"], "mode": second},
        ])
    };
    let until = |until: &str| json!({"mode": "Audit", "auditUntil": until});
    let plain = json!([
        {"role": "token-reader", "identities": ["app"]},
        {"role": "instance-reader", "identities": ["app", "monitor"], "mode": "Audit"},
    ]);
    vec![
        found(
            Code::DisabledWithRules,
            "/mode",
            json!({"mode": "Disabled"}),
        ),
        not_found(
            Code::DisabledWithRules,
            json!({"mode": "Disabled", "rules": null}),
        ),
        not_found(Code::DisabledWithRules, json!({"mode": "Audit"})),
        found(
            Code::DeniesEverything,
            "/defaultAccess",
            json!({"rules": nothing}),
        ),
        found(
            Code::DeniesEverything,
            "/defaultAccess",
            json!({"rules": null}),
        ),
        found(
            Code::DeniesEverything,
            "/defaultAccess",
            json!({"rules": {"roleAssignments": []}}),
        ),
        not_found(
            Code::DeniesEverything,
            json!({"rules": null, "defaultAccess": "Allow"}),
        ),
        not_found(
            Code::DeniesEverything,
            json!({"rules": null, "mode": "Disabled"}),
        ),
        found(Code::AuditWithoutEnd, "/mode", json!({"mode": "Audit"})),
        found(
            Code::AuditWithoutEnd,
            "/rules/roleAssignments/1/mode",
            json!({"rules": {"roleAssignments": plain}}),
        ),
        not_found(Code::AuditWithoutEnd, until("2027-01-01T00:00:00Z")),
        not_found(Code::AuditWithoutEnd, json!({})),
        found(
            Code::AuditExpired,
            "/auditUntil",
            until("2026-11-01T00:00:00Z"),
        ),
        not_found(Code::AuditExpired, until("2026-11-01T00:00:01Z")),
        not_found(
            Code::AuditExpired,
            json!({"auditUntil": "2020-01-01T00:00:00Z"}),
        ),
        found(
            Code::AuditExpiresSoon,
            "/auditUntil",
            until("2026-11-08T00:00:00Z"),
        ),
        not_found(Code::AuditExpiresSoon, until("2026-11-08T00:00:01Z")),
        not_found(Code::AuditExpiresSoon, until("2026-10-31T00:00:00Z")),
        found(
            Code::AuditEndWithoutAudit,
            "/auditUntil",
            json!({"auditUntil": "2027-01-01T00:00:00Z"}),
        ),
        not_found(Code::AuditEndWithoutAudit, until("2027-01-01T00:00:00Z")),
        not_found(
            Code::AuditEndWithoutAudit,
            json!({"auditUntil": "2027-01-01T00:00:00Z", "rules": {"roleAssignments": plain}}),
        ),
        found(
            Code::RedundantMode,
            "/rules/roleAssignments/0/mode",
            json!({"rules": {"roleAssignments": assigned("Enforce", "Audit")}}),
        ),
        not_found(
            Code::RedundantMode,
            json!({"mode": "Audit", "rules": {"roleAssignments": assigned("Enforce", "Enforce")}}),
        ),
        found(
            Code::TokenInAudit,
            "/rules/roleAssignments/0/mode",
            json!({"rules": {"roleAssignments": assigned("Audit", "Audit")}}),
        ),
        not_found(
            Code::TokenInAudit,
            json!({"rules": {"roleAssignments": plain}}),
        ),
        found(
            Code::OpenTrial,
            "/rules/roleAssignments/1/mode",
            json!({"rules": {"roleAssignments": plain}}),
        ),
        not_found(
            Code::OpenTrial,
            json!({"defaultAccess": "Allow", "rules": {"roleAssignments": plain}}),
        ),
        not_found(
            Code::OpenTrial,
            json!({"mode": "Audit", "rules": {"roleAssignments": plain}}),
        ),
        // Nobody has anything, and yet the trial lets everybody through.
        not_found(
            Code::DeniesEverything,
            json!({"rules": {"roleAssignments": [
                {"role": "instance-reader", "identities": [], "mode": "Audit"},
            ]}}),
        ),
        found(
            Code::OpenTrial,
            "/rules/roleAssignments/0/mode",
            json!({"rules": {"roleAssignments": [
                {"role": "instance-reader", "identities": [], "mode": "Audit"},
            ]}}),
        ),
        not_found(
            Code::TokenInAudit,
            json!({"mode": "Audit", "rules": {"roleAssignments": assigned("Enforce", "Enforce")}}),
        ),
    ]
}
