//! Findings about random profiles: they stand somewhere, and what they call useless is.

use jiff::Timestamp;
use latchkey_policy::lint::{Code, Context};
use latchkey_policy::{Decision, KeyState, decide, lint};
use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::{Attributes, Caller, Elevation, EndpointKind};
use proptest::prelude::*;

use super::strategy::{attributes, item, target};
use super::{imds, policy, request};

fn context() -> Context<'static> {
    Context {
        endpoint: Some(EndpointKind::Imds),
        now: Timestamp::UNIX_EPOCH,
        machine: None,
    }
}

fn is_permitted(item: &AuthorizationItem, target: &str, attributes: &Attributes) -> bool {
    let endpoint = imds();
    let caller = Caller {
        elevation: Elevation::Unprivileged,
        attributes: Ok(attributes.clone()),
    };
    let request = request("GET", target, &endpoint).unwrap();
    let policy = policy(endpoint.kind, Some(item));
    matches!(
        decide(
            request,
            &caller,
            &policy,
            KeyState::Held,
            Timestamp::UNIX_EPOCH,
        ),
        Decision::Permitted(_)
    )
}

/// With a mode of its own an assignment says how strictly others are refused, which is something.
fn has_modes(item: &AuthorizationItem) -> bool {
    let rules = item.rules.iter();
    let mut assignments = rules
        .filter_map(|rules| rules.role_assignments.as_ref())
        .flatten();
    assignments.any(|assignment| assignment.mode.is_some())
}

/// Takes out the privilege that a finding calls useless.
fn without_privilege(item: &AuthorizationItem, at: usize) -> AuthorizationItem {
    let mut item = item.clone();
    let rules = item.rules.as_mut().unwrap();
    let removed = rules.privileges.as_mut().unwrap().remove(at);
    for role in rules.roles.iter_mut().flatten() {
        role.privileges.retain(|name| *name != removed.name);
    }
    item
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn findings_stand_in_the_document(item in item()) {
        let document = serde_json::to_value(&item).unwrap();
        for finding in lint(&item, &context()) {
            prop_assert!(document.pointer(&finding.pointer).is_some(), "{finding}");
        }
    }

    #[test]
    fn privilege_that_is_called_useless_changes_no_decision(
        item in item(),
        target in target(),
        attributes in attributes(),
    ) {
        prop_assume!(!has_modes(&item));
        for finding in lint(&item, &context()) {
            if !matches!(finding.code, Code::ShadowedPrivilege | Code::UnassignedPrivilege) {
                continue;
            }
            let (_, at) = finding.pointer.rsplit_once('/').unwrap();
            let without = without_privilege(&item, at.parse().unwrap());
            prop_assert_eq!(
                is_permitted(&item, &target, &attributes),
                is_permitted(&without, &target, &attributes),
                "{}", finding
            );
        }
    }
}
