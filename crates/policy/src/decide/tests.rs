//! One test for each row of the mode table, and for the order of the rows.

use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::head::{Parsed, parse};
use latchkey_protocol::{Attributes, Elevation, EndpointKind, EndpointTable};

use super::*;

mod modes;

/// What a decision comes to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Forwarded(Signing, Option<Reason>),
    Refused(Reason),
}

use EndpointKind::{HostGa, Imds, WireServer};
use KeyState::{Held, Missing, NotUsed};
use Outcome::{Forwarded, Refused};
use Signing::{Signed, Unsigned};

/// Alice may read `/m`; the uploads are for root; everything else is refused.
fn rules(mode: Mode) -> Arc<RuleSet> {
    let item: AuthorizationItem = serde_json::from_value(serde_json::json!({
        "defaultAccess": "Deny", "mode": mode, "id": "test",
        "rules": {
            "privileges": [{"name": "m", "path": "/m"}, {"name": "log", "path": "/vmAgentLog"}],
            "roles": [{"name": "m", "privileges": ["m"]}, {"name": "log", "privileges": ["log"]}],
            "identities": [{"name": "alice", "userName": "alice"}, {"name": "root", "userName": "root"}],
            "roleAssignments": [
                {"role": "m", "identities": ["alice"]},
                {"role": "log", "identities": ["root"]}
            ]
        }
    }))
    .unwrap();
    Arc::new(RuleSet::compile(&item).unwrap())
}

fn ruled(kind: EndpointKind, mode: Mode) -> EndpointPolicy {
    EndpointPolicy::in_force(kind, rules(mode))
}

fn user(name: &str) -> Caller {
    let attributes = Attributes {
        user_name: Some(name.to_owned()),
        ..Attributes::default()
    };
    let elevation = if name == "root" {
        Elevation::Root
    } else {
        Elevation::Unprivileged
    };
    Caller {
        elevation,
        attributes: Ok(attributes),
    }
}

fn gone(elevation: Elevation) -> Caller {
    Caller {
        elevation,
        attributes: Err(Reason::CallerGone),
    }
}

fn request(kind: EndpointKind, line: &str) -> Request {
    let table = EndpointTable::azure(Mode::Enforce);
    let endpoint = table
        .as_slice()
        .iter()
        .find(|endpoint| endpoint.kind == kind)
        .unwrap();
    let text = format!("{line} HTTP/1.1\r\nHost: {}\r\n\r\n", endpoint.addresses[0]);
    let Ok(Parsed::Complete(head, _)) = parse(text.as_bytes()) else {
        panic!("{text}")
    };
    Request::read(*head, endpoint).unwrap()
}

fn outcome(line: &str, caller: &Caller, policy: &EndpointPolicy, key: KeyState) -> Outcome {
    match decide(request(policy.kind(), line), caller, policy, key, NOW) {
        Decision::Permitted(permit) => Forwarded(permit.signing(), permit.would_refuse()),
        Decision::Refused(refusal) => Refused(refusal.reason),
    }
}

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const ALLOWED: &str = "GET /m";
const REFUSED: &str = "GET /n";
const AMBIGUOUS: &str = "GET /m/../n";
const UPLOAD: &str = "PUT /vmAgentLog";

#[test]
fn disabled_forwards_everything_as_received() {
    for line in [ALLOWED, REFUSED, AMBIGUOUS, UPLOAD] {
        for caller in [user("mallory"), gone(Elevation::Unprivileged)] {
            for policy in [
                ruled(WireServer, Mode::Disabled),
                EndpointPolicy::pending(Imds, Mode::Disabled),
            ] {
                for key in [Held, Missing, NotUsed] {
                    assert_eq!(
                        outcome(line, &caller, &policy, key),
                        Forwarded(Unsigned, None),
                        "{line}"
                    );
                }
            }
        }
    }
}

#[test]
fn root_only_endpoints_refuse_others_in_audit_and_enforce() {
    for mode in [Mode::Audit, Mode::Enforce] {
        for kind in [WireServer, HostGa] {
            for policy in [ruled(kind, mode), EndpointPolicy::pending(kind, mode)] {
                for caller in [user("alice"), gone(Elevation::Unprivileged)] {
                    for line in [ALLOWED, AMBIGUOUS, UPLOAD] {
                        assert_eq!(
                            outcome(line, &caller, &policy, Held),
                            Refused(Reason::RootRequired)
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn undescribed_caller_is_refused_in_enforce_and_forwarded_signed_in_audit() {
    let caller = gone(Elevation::Unprivileged);
    let in_audit = |line, key| outcome(line, &caller, &ruled(Imds, Mode::Audit), key);
    assert_eq!(
        in_audit(ALLOWED, Held),
        Forwarded(Signed, Some(Reason::CallerGone))
    );
    assert_eq!(
        in_audit(ALLOWED, Missing),
        Forwarded(Unsigned, Some(Reason::CallerGone))
    );
    assert_eq!(
        in_audit(ALLOWED, NotUsed),
        Forwarded(Unsigned, Some(Reason::CallerGone))
    );
    assert_eq!(
        in_audit(AMBIGUOUS, Held),
        Forwarded(Unsigned, Some(Reason::CallerGone))
    );
    for key in [Held, Missing, NotUsed] {
        let enforced = outcome(ALLOWED, &caller, &ruled(Imds, Mode::Enforce), key);
        assert_eq!(enforced, Refused(Reason::CallerGone));
    }
    let root_gone = gone(Elevation::Root);
    assert_eq!(
        outcome(ALLOWED, &root_gone, &ruled(WireServer, Mode::Enforce), Held),
        Refused(Reason::CallerGone)
    );
}

#[test]
fn undescribed_caller_is_not_covered_by_a_default_that_allows() {
    let policy = EndpointPolicy::in_force(Imds, Arc::new(RuleSet::default_rules(Mode::Enforce)));
    assert_eq!(
        outcome(ALLOWED, &gone(Elevation::Root), &policy, Held),
        Refused(Reason::CallerGone)
    );
}

#[test]
fn missing_rules_are_waited_for_in_enforce_and_forwarded_unsigned_in_audit() {
    for line in [ALLOWED, REFUSED, AMBIGUOUS, UPLOAD] {
        for key in [Held, Missing, NotUsed] {
            let pending = |mode| {
                outcome(
                    line,
                    &user("root"),
                    &EndpointPolicy::pending(HostGa, mode),
                    key,
                )
            };
            assert_eq!(pending(Mode::Enforce), Refused(Reason::RulesPending));
            assert_eq!(
                pending(Mode::Audit),
                Forwarded(Unsigned, Some(Reason::RulesPending))
            );
        }
    }
}

#[test]
fn missing_key_is_waited_for_only_by_what_would_travel_signed() {
    let (enforce, audit) = (ruled(Imds, Mode::Enforce), ruled(Imds, Mode::Audit));
    let alice = user("alice");
    assert_eq!(
        outcome(ALLOWED, &alice, &enforce, Missing),
        Refused(Reason::KeyPending)
    );
    assert_eq!(
        outcome(REFUSED, &alice, &enforce, Missing),
        Refused(Reason::NoMatchingRule)
    );
    assert_eq!(
        outcome(AMBIGUOUS, &alice, &enforce, Missing),
        Refused(Reason::DotSegment)
    );
    assert_eq!(
        outcome(ALLOWED, &alice, &audit, Missing),
        Forwarded(Unsigned, Some(Reason::KeyPending))
    );
    assert_eq!(
        outcome(REFUSED, &alice, &audit, Missing),
        Forwarded(Unsigned, Some(Reason::NoMatchingRule))
    );
    assert_eq!(
        outcome(
            UPLOAD,
            &user("root"),
            &ruled(HostGa, Mode::Enforce),
            Missing
        ),
        Forwarded(Unsigned, None)
    );
}

#[test]
fn decision_is_provisional_while_rules_or_key_would_change_how_the_request_travels() {
    let is_provisional = |line, caller: &Caller, policy: &EndpointPolicy, key| {
        decide(request(policy.kind(), line), caller, policy, key, NOW).is_provisional()
    };
    let (alice, root, gone) = (user("alice"), user("root"), gone(Elevation::Root));
    for mode in [Mode::Audit, Mode::Enforce] {
        let (pending, ruled) = (EndpointPolicy::pending(Imds, mode), ruled(Imds, mode));
        for line in [ALLOWED, REFUSED, AMBIGUOUS] {
            assert!(
                is_provisional(line, &alice, &pending, Held),
                "{mode} {line}"
            );
            assert!(!is_provisional(line, &alice, &ruled, Held), "{mode} {line}");
            assert!(
                !is_provisional(line, &alice, &ruled, NotUsed),
                "{mode} {line}"
            );
        }
        assert!(is_provisional(ALLOWED, &alice, &ruled, Missing), "{mode}");
        assert!(
            !is_provisional(AMBIGUOUS, &alice, &ruled, Missing),
            "{mode}"
        );
        // What the rules refuse travels signed in Audit, and not at all in Enforce.
        let waits_for_key = mode == Mode::Audit;
        for (line, caller) in [(REFUSED, &alice), (ALLOWED, &gone)] {
            let found = is_provisional(line, caller, &ruled, Missing);
            assert_eq!(found, waits_for_key, "{mode} {line}");
        }
        let plugin = EndpointPolicy::pending(HostGa, mode);
        assert!(is_provisional(UPLOAD, &root, &plugin, Missing), "{mode}");
        assert!(!is_provisional(UPLOAD, &alice, &plugin, Missing), "{mode}");
        let plugin = self::ruled(HostGa, mode);
        assert!(!is_provisional(UPLOAD, &root, &plugin, Missing), "{mode}");
    }
    let disabled = EndpointPolicy::pending(Imds, Mode::Disabled);
    assert!(!is_provisional(ALLOWED, &alice, &disabled, Missing));
}

#[test]
fn uploads_stand_under_the_rules_and_are_never_signed() {
    let telemetry = "POST /machine/?comp=telemetrydata";
    let root = user("root");
    assert_eq!(
        outcome(UPLOAD, &root, &ruled(HostGa, Mode::Enforce), Held),
        Forwarded(Unsigned, None)
    );
    assert_eq!(
        outcome(telemetry, &root, &ruled(HostGa, Mode::Enforce), Held),
        Refused(Reason::NoMatchingRule)
    );
    assert_eq!(
        outcome(telemetry, &root, &ruled(HostGa, Mode::Audit), Held),
        Forwarded(Unsigned, Some(Reason::NoMatchingRule))
    );
}

#[test]
fn ambiguous_requests_are_refused_in_enforce_and_forwarded_unsigned_in_audit() {
    let open = |mode| EndpointPolicy::in_force(Imds, Arc::new(RuleSet::default_rules(mode)));
    for key in [Held, Missing, NotUsed] {
        let alice = user("alice");
        assert_eq!(
            outcome(AMBIGUOUS, &alice, &open(Mode::Enforce), key),
            Refused(Reason::DotSegment)
        );
        assert_eq!(
            outcome(AMBIGUOUS, &alice, &open(Mode::Audit), key),
            Forwarded(Unsigned, Some(Reason::DotSegment))
        );
    }
}

#[test]
fn ambiguous_uploads_are_ambiguous_first() {
    let table = EndpointTable::azure(Mode::Enforce);
    let text = b"PUT /vmAgentLog HTTP/1.1\r\nHost: 168.63.129.16\r\nVia: proxy\r\n\r\n";
    let Ok(Parsed::Complete(head, _)) = parse(text) else {
        panic!()
    };
    let request = Request::read(*head, &table.as_slice()[2]).unwrap();
    assert!(request.upload().is_some());
    let decision = decide(
        request,
        &user("root"),
        &ruled(HostGa, Mode::Enforce),
        Held,
        NOW,
    );
    assert!(
        matches!(decision, Decision::Refused(refusal) if refusal.reason == Reason::ForwardedRequest)
    );
}

#[test]
fn what_the_rules_refuse_is_refused_in_enforce_and_forwarded_signed_in_audit() {
    for (line, name, reason) in [
        (REFUSED, "alice", Reason::NoMatchingRule),
        (ALLOWED, "mallory", Reason::CallerNotAssigned),
    ] {
        let caller = user(name);
        let in_audit = |key| outcome(line, &caller, &ruled(Imds, Mode::Audit), key);
        assert_eq!(
            outcome(line, &caller, &ruled(Imds, Mode::Enforce), Held),
            Refused(reason)
        );
        assert_eq!(in_audit(Held), Forwarded(Signed, Some(reason)));
        assert_eq!(in_audit(NotUsed), Forwarded(Unsigned, Some(reason)));
    }
}

#[test]
fn what_the_rules_allow_is_signed_where_the_host_speaks_the_protocol() {
    for mode in [Mode::Audit, Mode::Enforce] {
        let allowed = |key| outcome(ALLOWED, &user("alice"), &ruled(Imds, mode), key);
        assert_eq!(allowed(Held), Forwarded(Signed, None));
        assert_eq!(allowed(NotUsed), Forwarded(Unsigned, None));
    }
}

#[test]
fn default_rules_leave_only_the_root_gate() {
    let open =
        |kind| EndpointPolicy::in_force(kind, Arc::new(RuleSet::default_rules(Mode::Enforce)));
    assert_eq!(
        outcome(REFUSED, &user("mallory"), &open(Imds), Held),
        Forwarded(Signed, None)
    );
    assert_eq!(
        outcome(REFUSED, &user("root"), &open(WireServer), Held),
        Forwarded(Signed, None)
    );
    assert_eq!(
        outcome(REFUSED, &user("mallory"), &open(WireServer), Held),
        Refused(Reason::RootRequired)
    );
}

#[test]
fn decision_names_the_mode_the_rules_and_the_rule_that_made_it() {
    let decided = |line, name, policy: &EndpointPolicy| {
        let decision = decide(request(Imds, line), &user(name), policy, Held, NOW);
        let basis = decision.basis();
        let rule = basis.rule().map(ToString::to_string);
        (
            basis.mode(),
            basis.rules().and_then(RuleSet::id).map(str::to_owned),
            rule,
        )
    };
    let policy = ruled(Imds, Mode::Enforce);
    let by = |rule: Option<&str>| {
        (
            Mode::Enforce,
            Some("test".to_owned()),
            rule.map(str::to_owned),
        )
    };
    assert_eq!(
        decided(ALLOWED, "alice", &policy),
        by(Some("privilege `m` for identity `alice`"))
    );
    assert_eq!(
        decided(ALLOWED, "mallory", &policy),
        by(Some("privilege `m`"))
    );
    assert_eq!(decided(REFUSED, "alice", &policy), by(Some("default")));
    assert_eq!(decided(AMBIGUOUS, "alice", &policy), by(None));
    let pending = EndpointPolicy::pending(Imds, Mode::Audit);
    assert_eq!(
        decided(ALLOWED, "alice", &pending),
        (Mode::Audit, None, None)
    );
}

#[test]
fn refusal_hands_the_request_back() {
    let decision = decide(
        request(Imds, REFUSED),
        &user("alice"),
        &ruled(Imds, Mode::Enforce),
        Held,
        NOW,
    );
    let Decision::Refused(refusal) = decision else {
        panic!("{decision:?}")
    };
    assert_eq!(refusal.request.head().target, "/n");
}

#[test]
fn request_is_never_judged_by_the_policy_of_another_endpoint() {
    for mode in [Mode::Audit, Mode::Enforce] {
        let decision = decide(
            request(Imds, ALLOWED),
            &user("root"),
            &ruled(HostGa, mode),
            Held,
            NOW,
        );
        let Decision::Refused(refusal) = decision else {
            panic!("{mode}: {decision:?}")
        };
        assert_eq!(refusal.reason, Reason::UnknownEndpoint);
    }
}
