//! The identities of the guide are valid as they stand there.

use latchkey_policy::RuleSet;
use serde_json::{Value, json};

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
