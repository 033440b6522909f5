//! Statuses of the secure channel, as documents.

use latchkey_protocol::status::SecureChannel;
use serde_json::{Value, json};

/// A status of version 2.0 with one item for both kinds of endpoint.
pub(crate) fn status(item: &Value) -> Value {
    json!({
        "authorizationScheme": "Azure-HMAC-SHA256", "keyDeliveryMethod": "http", "keyGuid": null,
        "version": "2.0", "secureChannelEnabled": true,
        "authorizationRules": {"imds": item, "wireserver": item},
    })
}

/// A profile without rules: the default decides everything.
pub(crate) fn all(mode: &str, default_access: &str) -> Value {
    let id = format!("{mode}-{default_access}");
    status(&json!({"defaultAccess": default_access, "mode": mode, "id": id}))
}

/// A profile in which this test program alone may ask for `/metadata/own`, nobody for
/// `/metadata/closed`, and everyone for the rest.
pub(crate) fn ruled(mode: &str) -> Value {
    let program = std::env::current_exe().unwrap();
    status(&json!({
        "defaultAccess": "Allow", "mode": mode, "id": format!("ruled-{mode}"),
        "rules": {
            "privileges": [
                {"name": "own", "path": "/metadata/own"},
                {"name": "closed", "path": "/metadata/closed"},
            ],
            "roles": [{"name": "tester", "privileges": ["own"]}],
            "identities": [{"name": "this program", "exePath": program}],
            "roleAssignments": [{"role": "tester", "identities": ["this program"]}],
        },
    }))
}

/// A profile in Audit until then, in which nobody has anything; for `/tokens` it is Enforce already.
pub(crate) fn audit_until(time: &str) -> Value {
    status(&json!({
        "defaultAccess": "Deny", "mode": "Audit", "id": "until", "auditUntil": time,
        "rules": {
            "privileges": [{"name": "tokens", "path": "/tokens"}],
            "roles": [{"name": "reader", "privileges": ["tokens"]}],
            "identities": [],
            "roleAssignments": [{"role": "reader", "identities": [], "mode": "Enforce"}],
        },
    }))
}

/// A profile in Enforce in which one kind of caller may ask for `/metadata/own`, and nobody for more.
pub(crate) fn only(identity: &Value) -> Value {
    status(&json!({
        "defaultAccess": "Deny", "mode": "Enforce", "id": "only",
        "rules": {
            "privileges": [{"name": "own", "path": "/metadata/own"}],
            "roles": [{"name": "one", "privileges": ["own"]}],
            "identities": [identity],
            "roleAssignments": [{"role": "one", "identities": [identity["name"]]}],
        },
    }))
}

pub(crate) fn channel(status: &Value) -> SecureChannel {
    SecureChannel::parse(status.to_string().as_bytes()).unwrap()
}
