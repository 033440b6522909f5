//! Properties of every decision, on small random profiles, requests and callers.
//!
//! The compiled rules are compared with a naive reading of the same document, which
//! looks at every entry and knows no index.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up ends"
)]

use std::sync::Arc;

use latchkey_policy::{Access, Decision, EndpointPolicy, KeyState, RuleSet, Signing, decide};
use latchkey_protocol::authorization::{
    AccessControlRules, AuthorizationItem, Identity, Privilege, QueryParameters, Role,
};
use latchkey_protocol::head::{Parsed, parse};
use latchkey_protocol::request::Meaning;
use latchkey_protocol::{
    Caller, Elevation, Endpoint, EndpointKind, EndpointTable, Mode, Reason, Request,
};
use proptest::prelude::*;

mod naive;
mod strategy;

use strategy::{attributes, caller, endpoint, item, key, respell, target};

fn policy(kind: EndpointKind, item: Option<&AuthorizationItem>) -> EndpointPolicy {
    match item {
        Some(item) => EndpointPolicy::in_force(kind, Arc::new(RuleSet::compile(item).unwrap())),
        None => EndpointPolicy::pending(kind, Mode::Enforce),
    }
}

fn request(method: &str, target: &str, endpoint: &Endpoint) -> Result<Request, Reason> {
    let text = format!(
        "{method} {target} HTTP/1.1\r\nHost: {}\r\n\r\n",
        endpoint.addresses[0]
    );
    match parse(text.as_bytes())? {
        Parsed::Complete(head, _) => Request::read(*head, endpoint),
        Parsed::Partial => panic!("the head is whole: {text:?}"),
    }
}

fn imds() -> Endpoint {
    EndpointTable::azure(Mode::Enforce).as_slice()[0].clone()
}

/// Everything that is visible of a decision but the request and the rule's name.
fn summary(decision: &Decision) -> (Mode, Option<Signing>, Option<Reason>) {
    let mode = decision.basis().mode();
    match decision {
        Decision::Permitted(permit) => (mode, Some(permit.signing()), permit.would_refuse()),
        Decision::Refused(refusal) => (mode, None, Some(refusal.reason)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compiled_rules_say_what_the_document_says(
        item in item(),
        target in target(),
        attributes in attributes(),
    ) {
        let endpoint = imds();
        let request = request("GET", &target, &endpoint).unwrap();
        let expected = match (request.meaning(), item.mode.as_str()) {
            (_, "Disabled") => None,
            (Meaning::Ambiguous(reason), _) => Some(*reason),
            (Meaning::Canonical(target), _) => naive::refusal(&item, target, &attributes),
        };
        let caller = Caller { elevation: Elevation::Unprivileged, attributes: Ok(attributes) };
        let decision = decide(request, &caller, &policy(endpoint.kind, Some(&item)), KeyState::Held);
        prop_assert_eq!(summary(&decision).2, expected);
    }

    #[test]
    fn enforce_permits_nothing_ambiguous_and_nothing_unsigned_but_the_uploads(
        item in prop::option::weighted(0.9, item()),
        line in prop_oneof![
            8 => target().prop_map(|target| ("GET", target)),
            1 => Just(("PUT", "/vmAgentLog".to_owned())),
            1 => Just(("POST", "/machine/?comp=telemetrydata".to_owned())),
            1 => Just(("OPTIONS", "*".to_owned())),
        ],
        caller in caller(),
        endpoint in endpoint(),
        key in key(),
    ) {
        let item = item.map(|item| AuthorizationItem { mode: "Enforce".to_owned(), ..item });
        let request = request(line.0, &line.1, &endpoint).unwrap();
        let policy = policy(endpoint.kind, item.as_ref());
        if let Decision::Permitted(permit) = decide(request, &caller, &policy, key) {
            prop_assert!(matches!(permit.request().meaning(), Meaning::Canonical(_)));
            prop_assert_eq!(permit.would_refuse(), None);
            prop_assert!(caller.attributes.is_ok() && policy.rules().is_some());
            prop_assert!(caller.elevation == Elevation::Root || !endpoint.kind.is_root_only());
            let is_exempt = permit.request().upload().is_some() || key == KeyState::NotUsed;
            prop_assert_eq!(permit.signing() == Signing::Unsigned, is_exempt);
        }
    }

    #[test]
    fn audit_refuses_only_at_the_root_gate_and_remarks_what_enforce_refuses(
        item in item(),
        target in target(),
        caller in caller(),
        endpoint in endpoint(),
        key in key(),
    ) {
        let decide_in = |mode: &str| {
            let item = AuthorizationItem { mode: mode.to_owned(), ..item.clone() };
            let request = request("GET", &target, &endpoint).unwrap();
            summary(&decide(request, &caller, &policy(endpoint.kind, Some(&item)), key))
        };
        let ((_, audit, remark), (_, _, refusal)) = (decide_in("Audit"), decide_in("Enforce"));
        prop_assert_eq!(remark, refusal);
        prop_assert_eq!(audit.is_none(), refusal == Some(Reason::RootRequired));
        let is_ambiguous = matches!(request("GET", &target, &endpoint).unwrap().meaning(), Meaning::Ambiguous(_));
        prop_assert!(!(is_ambiguous && audit == Some(Signing::Signed)));
    }

    #[test]
    fn spellings_of_one_target_are_decided_alike(
        item in item(),
        target in target(),
        caller in caller(),
        spelling in prop::collection::vec(0..4_u8, 64),
    ) {
        let endpoint = imds();
        let respelled = respell(&target, &spelling);
        let (first, second) = (request("GET", &target, &endpoint), request("GET", &respelled, &endpoint));
        let (first, second) = (first.unwrap(), second.unwrap());
        let Meaning::Canonical(meaning) = first.meaning().clone() else { return Ok(()) };
        prop_assert!(matches!(second.meaning(), Meaning::Canonical(same) if *same == meaning), "{}", respelled);
        let policy = policy(endpoint.kind, Some(&item));
        let first = decide(first, &caller, &policy, KeyState::Held);
        let second = decide(second, &caller, &policy, KeyState::Held);
        prop_assert_eq!(summary(&first), summary(&second));
        prop_assert_eq!(first.basis().rule(), second.basis().rule());
    }

    #[test]
    fn every_request_that_parses_is_decided(
        item in prop::option::of(item()),
        target in "[ -~]{0,24}|/[a-c%/?&=;.0-9]{0,24}",
        caller in caller(),
        endpoint in endpoint(),
        key in key(),
    ) {
        if let Ok(request) = request("OPTIONS", &target, &endpoint) {
            let decision = decide(request, &caller, &policy(endpoint.kind, item.as_ref()), key);
            prop_assert_eq!(decision.basis().rules().is_some(), item.is_some());
        }
    }

    #[test]
    fn every_document_is_compiled_or_refused_with_a_reason(
        access in "allow|Deny|[a-z ]{0,6}",
        path in "(/|[a-c%/?;.0-9]){0,12}",
        pair in ("[a-c%;0-9]{0,5}", "[a-c%;0-9]{0,5}"),
        executable in "(/|[a-c.]){0,12}",
        reference in "[pq]",
    ) {
        let privilege = Privilege { name: "p".to_owned(), path, query_parameters: Some(QueryParameters(vec![pair])), ..Privilege::default() };
        let identity = Identity { name: "i".to_owned(), exe_path: Some(executable), ..Identity::default() };
        let rules = AccessControlRules {
            privileges: Some(vec![privilege]),
            roles: Some(vec![Role { name: "r".to_owned(), privileges: vec![reference] }]),
            identities: Some(vec![identity]),
            role_assignments: Some(vec![]),
        };
        let (mode, id) = ("Enforce".to_owned(), String::new());
        match RuleSet::compile(&AuthorizationItem { default_access: access.clone(), mode, id, rules: Some(rules), ..AuthorizationItem::default() }) {
            Ok(rules) => prop_assert_eq!(Some(rules.default_access()), Access::parse(&access)),
            Err(invalid) => prop_assert!(!invalid.problems().is_empty()),
        }
    }
}
