//! What the documentation shows of profiles is valid as it stands there, and refused in these words.

#![expect(
    clippy::unwrap_used,
    reason = "a page without its example ends the test"
)]

use latchkey_policy::RuleSet;
use latchkey_protocol::Mode;
use serde_json::{Value, json};

const REFERENCE: &str = include_str!("../../../docs/reference/profile.md");
const GUIDE: &str = include_str!("../../../docs/guide/identity.md");

#[test]
fn identities_of_the_guide_are_valid() {
    let (_, rest) = GUIDE.split_once("```json\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let identities: Value = serde_json::from_str(example).unwrap();
    assert!(identities.as_array().is_some_and(|all| all.len() == 5));
    let item = json!({
        "defaultAccess": "Deny", "mode": "Enforce", "id": "guide",
        "rules": {
            "privileges": [], "roles": [], "roleAssignments": [],
            "identities": identities,
        },
    });
    let rules = RuleSet::compile(&serde_json::from_value(item).unwrap()).unwrap();
    assert!(rules.asks_for_digest() && rules.asks_for_flags());
}

/// The profile of the reference.
fn profile() -> Value {
    let (_, rest) = REFERENCE.split_once("```json\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    serde_json::from_str(example).unwrap()
}

#[test]
fn profile_of_the_reference_is_valid_and_ends_its_audit() {
    let rules = RuleSet::compile(&serde_json::from_value(profile()).unwrap()).unwrap();
    let end = rules.audit_until().unwrap();
    assert_eq!(end.to_string(), "2027-01-31T00:00:00Z");
    assert_eq!(rules.mode(end), Mode::Enforce);
}

#[test]
fn problems_are_told_in_the_words_of_the_reference() {
    for (pointer, value) in [
        ("/defaultAccess", json!("maybe")),
        ("/mode", json!("on")),
        ("/auditUntil", json!("soon")),
        ("/rules/privileges/0/methods/0", json!("get")),
        ("/rules/privileges/0/methods/0", json!("G T")),
        ("/rules/privileges/0/methods", json!(["GET", "GET"])),
        ("/rules/privileges/1/pathMatch", json!("prefix")),
        ("/rules/roleAssignments/1/mode", json!("Disabled")),
        ("/rules/roles", json!(null)),
        ("/rules/privileges/0/methods", json!([])),
    ] {
        let mut document = profile();
        *document.pointer_mut(pointer).unwrap() = value;
        let invalid = RuleSet::compile(&serde_json::from_value(document).unwrap()).unwrap_err();
        let message = invalid.problems()[0].kind.to_string();
        let (start, _) = message.split_once(": leave it").unwrap_or((&message, ""));
        let start = start.split(": rules have").next().unwrap();
        assert!(REFERENCE.contains(start), "{message}");
    }
}
