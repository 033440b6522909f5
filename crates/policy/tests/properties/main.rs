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

use jiff::Timestamp;
use latchkey_policy::explain::ModeSource;
use latchkey_policy::{
    Access, Decision, EndpointPolicy, KeyState, KnownIdentities, Question, Rule, RuleSet, Signing,
    Subject, Verdict, decide, explain,
};
use latchkey_protocol::authorization::{
    AccessControlRules, AuthorizationItem, Identity, Privilege, QueryParameters, Role,
};
use latchkey_protocol::head::{Parsed, parse};
use latchkey_protocol::request::Meaning;
use latchkey_protocol::{
    Caller, Elevation, Endpoint, EndpointKind, EndpointTable, Mode, Reason, Request,
};
use proptest::prelude::*;

mod bicep;
mod compare;
mod exported;
mod lint;
mod naive;
mod simulated;
mod strategy;

use strategy::{assignment, caller, endpoint, item, key, method, now, respell, target};

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

/// As many cases as `PROPTEST_CASES` says, or else what a test run has time for.
fn config() -> ProptestConfig {
    let wanted = ProptestConfig::default().cases;
    let cases = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => wanted,
        None => 1024,
    };
    ProptestConfig {
        cases,
        failure_persistence: None,
        // About one profile per case is drawn again; the usual bound ends a run of many cases.
        max_local_rejects: u32::MAX,
        ..ProptestConfig::default()
    }
}

/// What the document says about a request to an endpoint that serves everybody, with the key there:
/// the reason of a refusal, and the mode that counts.
fn expected(
    item: &AuthorizationItem,
    request: &Request,
    caller: &Caller,
    now: Timestamp,
) -> (Option<Reason>, Mode) {
    let mode = naive::mode(item, now);
    let method = request.head().method.as_str();
    if mode == Mode::Disabled {
        return (None, mode);
    }
    match (&caller.attributes, request.meaning()) {
        (Err(reason), Meaning::Canonical(target)) => {
            let covering = naive::covering_mode(item, method, target, now);
            (
                Some(*reason),
                covering.map_or(mode, |covering| covering.max(mode)),
            )
        }
        (Err(reason), Meaning::Ambiguous(_)) | (Ok(_), Meaning::Ambiguous(reason)) => {
            (Some(*reason), naive::strictest_mode(item, now))
        }
        (Ok(attributes), Meaning::Canonical(target)) => {
            match naive::refusal(item, method, target, attributes) {
                None => (None, mode),
                Some(reason) => {
                    let covering = naive::covering_mode(item, method, target, now);
                    (Some(reason), covering.unwrap_or(mode))
                }
            }
        }
    }
}

/// Everything that is visible of a decision but the request and the rule's name.
fn summary(decision: &Decision) -> (Mode, Option<Signing>, Option<Reason>) {
    let mode = decision.basis().mode();
    match decision {
        Decision::Permitted(permit) => (mode, Some(permit.signing()), permit.would_refuse()),
        Decision::Refused(refusal) => (mode, None, Some(refusal.reason)),
    }
}

/// The item in one mode throughout, without an end.
fn all_in(mode: &str, mut item: AuthorizationItem) -> AuthorizationItem {
    let rules = item.rules.as_mut();
    let assignments = rules.and_then(|rules| rules.role_assignments.as_mut());
    for assignment in assignments.into_iter().flatten() {
        assignment.mode = None;
    }
    AuthorizationItem {
        mode: mode.to_owned(),
        audit_until: None,
        ..item
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn compiled_rules_say_what_the_document_says(
        item in item(),
        (method, target) in (method(), target()),
        caller in caller(),
        now in now(),
    ) {
        let endpoint = imds();
        let request = request(method, &target, &endpoint).unwrap();
        let (reason, mode) = expected(&item, &request, &caller, now);
        let decision = decide(request, &caller, &policy(endpoint.kind, Some(&item)), KeyState::Held, now);
        prop_assert_eq!((decision.reason(), decision.basis().mode()), (reason, mode));
        let verdict = match (reason, mode) {
            (None, _) => Verdict::Allow,
            (Some(_), Mode::Audit) => Verdict::Audit,
            (Some(_), _) => Verdict::Deny,
        };
        prop_assert_eq!(decision.verdict(), verdict);
    }

    #[test]
    fn one_more_assignment_never_turns_an_allow_into_anything_else(
        item in item(),
        more in assignment(),
        (method, target) in (method(), target()),
        caller in caller(),
        (endpoint, key, now) in (endpoint(), key(), now()),
    ) {
        let verdict = |item: &AuthorizationItem| {
            let request = request(method, &target, &endpoint).unwrap();
            decide(request, &caller, &policy(endpoint.kind, Some(item)), key, now).verdict()
        };
        let before = verdict(&item);
        let mut item = item;
        let Some(assignments) = item.rules.as_mut().and_then(|rules| rules.role_assignments.as_mut()) else {
            return Ok(());
        };
        assignments.push(more);
        let after = verdict(&item);
        prop_assert!(before != Verdict::Allow || after == Verdict::Allow, "{}", after);
    }

    #[test]
    fn explanation_and_finding_never_disagree_with_the_decision(
        item in prop::option::weighted(0.9, item()),
        (method, target) in (method(), target()),
        caller in caller(),
        (endpoint, key, now) in (endpoint(), key(), now()),
    ) {
        let request = request(method, &target, &endpoint).unwrap();
        let policy = policy(endpoint.kind, item.as_ref());
        let known = KnownIdentities::default();
        let subject = Subject::new(&caller, &policy, &known);
        let finding = subject.judge(&Question::from(&request), key, now);
        let explanation = explain(&request, &caller, &policy, key, now);
        let decision = decide(request, &caller, &policy, key, now);
        let rule = decision.basis().rule();
        prop_assert_eq!((finding.verdict(), finding.reason()), (decision.verdict(), decision.reason()));
        prop_assert_eq!((finding.mode(), finding.rule()), (decision.basis().mode(), rule));
        prop_assert_eq!((explanation.verdict, explanation.reason), (decision.verdict(), decision.reason()));
        prop_assert_eq!(explanation.mode.effective, decision.basis().mode());
        let privileges = explanation.rules.iter().flat_map(|rules| &rules.privileges);
        let privileges: Vec<_> = privileges.collect();
        let named = |wanted: &str| privileges.iter().find(|privilege| privilege.name == wanted);
        match rule {
            Some(Rule::Default) => prop_assert!(privileges.is_empty()),
            Some(Rule::Granted { privilege, identity }) => {
                let privilege = named(privilege).unwrap();
                let found = privilege.identities.iter().find(|own| own.name == **identity).unwrap();
                prop_assert!(privilege.granted && found.failed.is_none());
            }
            Some(Rule::Withheld { privilege }) => {
                prop_assert!(named(privilege).is_some() && privileges.iter().all(|p| !p.granted));
                let strictest = privileges.iter().map(|privilege| privilege.mode).max();
                prop_assert_eq!(strictest, Some(explanation.mode.effective));
            }
            None => {}
        }
        let item_mode = item.as_ref().map(|item| naive::mode(item, now));
        match explanation.mode.source {
            ModeSource::Pending => prop_assert!(item.is_none()),
            ModeSource::Profile => prop_assert_eq!(item_mode, Some(explanation.mode.effective)),
            ModeSource::Assignment => {
                let rules = item.and_then(|item| item.rules).unwrap_or_default();
                let mut assignments = rules.role_assignments.into_iter().flatten();
                prop_assert!(assignments.any(|own| own.mode.is_some() && Some(&own.role) == explanation.mode.role.as_ref()));
            }
        }
        prop_assert!(explanation.tree().starts_with(&decision.verdict().to_string().to_ascii_uppercase()));
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
        let item = item.map(|item| all_in("Enforce", item));
        let request = request(line.0, &line.1, &endpoint).unwrap();
        let policy = policy(endpoint.kind, item.as_ref());
        if let Decision::Permitted(permit) = decide(request, &caller, &policy, key, Timestamp::UNIX_EPOCH) {
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
            let item = all_in(mode, item.clone());
            let request = request("GET", &target, &endpoint).unwrap();
            summary(&decide(request, &caller, &policy(endpoint.kind, Some(&item)), key, Timestamp::UNIX_EPOCH))
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
        now in now(),
        spelling in prop::collection::vec(0..4_u8, 64),
    ) {
        let endpoint = imds();
        let respelled = respell(&target, &spelling);
        let (first, second) = (request("GET", &target, &endpoint), request("GET", &respelled, &endpoint));
        let (first, second) = (first.unwrap(), second.unwrap());
        let Meaning::Canonical(meaning) = first.meaning().clone() else { return Ok(()) };
        prop_assert!(matches!(second.meaning(), Meaning::Canonical(same) if *same == meaning), "{}", respelled);
        let policy = policy(endpoint.kind, Some(&item));
        let first = decide(first, &caller, &policy, KeyState::Held, now);
        let second = decide(second, &caller, &policy, KeyState::Held, now);
        prop_assert_eq!(summary(&first), summary(&second));
        prop_assert_eq!(first.basis().rule(), second.basis().rule());
    }

    #[test]
    fn every_request_that_parses_is_decided(
        item in prop::option::of(item()),
        target in "[ -~]{0,24}|/[a-c%/?&=;.0-9]{0,24}",
        caller in caller(),
        endpoint in endpoint(),
        (key, now) in (key(), now()),
    ) {
        if let Ok(request) = request("OPTIONS", &target, &endpoint) {
            let decision = decide(request, &caller, &policy(endpoint.kind, item.as_ref()), key, now);
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
