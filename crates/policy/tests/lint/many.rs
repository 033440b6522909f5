//! Profiles of ten thousand rules, also such that a walk over pairs would never end.

use std::time::{Duration, Instant};

use latchkey_policy::lint;
use latchkey_protocol::EndpointKind;
use latchkey_protocol::authorization::AuthorizationItem;
use serde_json::{Value, json};

use super::context;

const MANY: usize = 10_000;
/// What one look may take, in a build without optimisation and on a busy machine. Looks that compare
/// each pair of ten thousand rules take minutes there.
const PATIENCE: Duration = Duration::from_secs(20);

fn profile(privilege: impl Fn(usize) -> Value) -> AuthorizationItem {
    let numbers = || 0..MANY;
    let document = json!({
        "defaultAccess": "Allow", "mode": "Enforce", "id": "many",
        "rules": {
            "privileges": numbers().map(privilege).collect::<Vec<_>>(),
            "roles": numbers()
                .map(|at| json!({"name": format!("r{at}"), "privileges": [format!("p{at}")]}))
                .collect::<Vec<_>>(),
            "identities": numbers()
                .map(|at| json!({"name": format!("i{at}"), "userName": format!("u{at}")}))
                .collect::<Vec<_>>(),
            "roleAssignments": numbers()
                .map(|at| json!({"role": format!("r{at}"), "identities": [format!("i{at}")]}))
                .collect::<Vec<_>>(),
        },
    });
    serde_json::from_value(document).unwrap()
}

#[test]
fn look_at_ten_thousand_rules_ends_soon() {
    let imds = EndpointKind::Imds;
    let named = |at: usize, path: String| json!({"name": format!("p{at}"), "path": path});
    let profiles: [(&str, AuthorizationItem); 4] = [
        (
            "different paths",
            profile(|at| named(at, format!("/metadata/instance/x{at}"))),
        ),
        (
            "one path",
            profile(|at| named(at, "/metadata/instance".to_owned())),
        ),
        (
            "one below the other",
            profile(|at| named(at, format!("/metadata{}", "/a".repeat(at % 100)))),
        ),
        (
            "one path, different parameters",
            profile(|at| {
                json!({
                    "name": format!("p{at}"), "path": "/metadata/instance",
                    "queryParameters": {"a": "1", "b": (at % 100).to_string(), "c": (at / 100).to_string()},
                })
            }),
        ),
    ];
    for (what, item) in profiles {
        let start = Instant::now();
        let findings = lint(&item, &context(imds));
        let taken = start.elapsed();
        assert!(!findings.is_empty(), "{what}");
        assert!(taken < PATIENCE, "{what}: {taken:?}");
        println!("{what}: {taken:?}, {} findings", findings.len());
    }
}
