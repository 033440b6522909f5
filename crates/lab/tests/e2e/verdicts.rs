//! What callers get: allowed, refused, in Audit let through; and what is recorded of it.

use latchkey_lab::GuestPlan;
use latchkey_lab::curl::Curl;
use latchkey_protocol::{EndpointKind, Mode, Reason};
use latchkey_record::audit::Outcome;
use latchkey_record::observation::SignatureFinding;

use crate::world::{GOAL_STATE, INSTANCE, TOKEN, World};

#[test]
fn curl_as_root_is_allowed_and_signed() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let answer = world.expect("vm", "root", &Curl::imds(INSTANCE), 200);
    assert!(
        answer.body.contains(r#""computerName":"vm""#),
        "{}",
        answer.body
    );
    world.expect("vm", "root", &Curl::wireserver(GOAL_STATE), 200);
    let record = world.record("vm", 2);
    assert_eq!((record.outcome, record.signed), (Outcome::Forwarded, true));
    assert_eq!(record.kind, Some(EndpointKind::WireServer));
    for seen in world.wait_for_observed("vm", 2) {
        assert_eq!(seen.signature, SignatureFinding::Valid, "{seen:?}");
        assert_eq!(
            (seen.is_root, seen.accepted),
            (Some(true), true),
            "{seen:?}"
        );
    }
    world.end(&[("vm", 2)]);
}

#[test]
fn curl_as_an_allowed_user_gets_a_token_and_is_claimed_not_to_be_root() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let answer = world.expect("vm", "app", &Curl::imds(TOKEN), 200);
    let token: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(token["resource"], "https://management.azure.com");
    assert!(token["access_token"].as_str().unwrap().split('.').count() == 3);
    let record = world.record("vm", 1);
    assert_eq!(
        record.rule.as_deref(),
        Some("privilege `get-token` for identity `app`")
    );
    let caller = record.caller.unwrap();
    assert_eq!((caller.uid, caller.gid, caller.root), (1001, 2001, false));
    assert!(record.rules.unwrap().starts_with("standard-"));
    let seen = world.wait_for_observed("vm", 1).remove(0);
    assert_eq!(
        (seen.signature, seen.is_root),
        (SignatureFinding::Valid, Some(false))
    );
    world.end(&[("vm", 1)]);
}

#[test]
fn refused_user_gets_a_problem_and_the_host_hears_nothing_of_it() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let refusal = (403, "caller_not_assigned");
    world.expect_refusal("vm", "www", &Curl::imds(TOKEN), refusal);
    world.expect_refusal("vm", "mallory", &Curl::imds(INSTANCE), refusal);
    world.expect_refusal(
        "vm",
        "app",
        &Curl::imds("/metadata/versions"),
        (403, "no_matching_rule"),
    );
    world.record("vm", 3);
    let record = world.system.audit("vm").unwrap().remove(0);
    assert_eq!((record.outcome, record.signed), (Outcome::Refused, false));
    assert_eq!(record.reason, Some(Reason::CallerNotAssigned));
    assert_eq!(record.rule.as_deref(), Some("privilege `get-token`"));
    assert_eq!(
        (record.mode, record.status),
        (Some(Mode::Enforce), Some(403))
    );
    assert_eq!(record.target.as_deref(), Some(TOKEN));
    let caller = record.caller.unwrap();
    assert_eq!(caller.user.as_deref(), Some("www"));
    assert_eq!(caller.groups, ["www"]);
    assert_eq!(caller.executable.as_deref(), Some("/usr/bin/curl"));
    // What the host sees after the refusals is the first that it sees.
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    assert_eq!(
        world.wait_for_observed("vm", 1)[0].target.as_deref(),
        Some(INSTANCE)
    );
    world.end(&[("vm", 4)]);
}

#[test]
fn wireserver_answers_only_root_in_enforce_and_in_audit() {
    let world = World::start([GuestPlan::enforce("enforce"), GuestPlan::audit("audit")]);
    for guest in ["enforce", "audit"] {
        world.expect_refusal(
            guest,
            "app",
            &Curl::wireserver(GOAL_STATE),
            (403, "root_required"),
        );
        world.expect(guest, "root", &Curl::wireserver(GOAL_STATE), 200);
        assert_eq!(world.wait_for_observed(guest, 1)[0].is_root, Some(true));
    }
    world.end(&[("enforce", 2), ("audit", 2)]);
}

#[test]
fn audit_lets_a_refused_user_through_signed_and_records_what_enforce_would_do() {
    let world = World::start([GuestPlan::audit("vm")]);
    world.expect("vm", "www", &Curl::imds(TOKEN), 200);
    let record = world.record("vm", 1);
    assert_eq!((record.outcome, record.signed), (Outcome::Forwarded, true));
    assert_eq!(
        (record.reason, record.would_refuse),
        (None, Some(Reason::CallerNotAssigned))
    );
    assert_eq!(record.mode, Some(Mode::Audit));
    let seen = world.wait_for_observed("vm", 1).remove(0);
    assert_eq!(
        (seen.signature, seen.is_root),
        (SignatureFinding::Valid, Some(false))
    );
    world.end(&[("vm", 1)]);
}

#[test]
fn guest_without_an_agent_is_refused_in_enforce_and_answered_in_audit() {
    let plans = [
        GuestPlan::enforce("enforce").without_agent(),
        GuestPlan::audit("audit").without_agent(),
    ];
    let world = World::start(plans);
    for user in ["root", "app"] {
        let answer = world.expect("enforce", user, &Curl::imds(INSTANCE), 401);
        assert_eq!(answer.reason(), Some("signature_missing"));
        assert!(!answer.body.contains("computerName"), "{}", answer.body);
        world.expect("audit", user, &Curl::imds(INSTANCE), 200);
    }
    for seen in world.wait_for_observed("enforce", 2) {
        assert_eq!(
            (seen.signature, seen.accepted),
            (SignatureFinding::Absent, false)
        );
    }
    for seen in world.wait_for_observed("audit", 2) {
        assert_eq!(
            (seen.signature, seen.accepted),
            (SignatureFinding::Absent, true)
        );
        assert_eq!(seen.reason, Some(Reason::SignatureMissing));
    }
    world.end_with_strays(&[], 2);
}

#[test]
fn uploads_travel_unsigned_and_are_accepted() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let body = "x".repeat(300_000);
    let upload = Curl::wireserver("/vmAgentLog").arguments(&["--upload-file", "-"]);
    let output = upload
        .command(world.guest("vm"), "root")
        .stdin(body)
        .output(LIMIT)
        .unwrap();
    assert!(output.stdout_text().contains("HTTP/1.1 200"), "{output:?}");
    let record = world.record("vm", 1);
    assert_eq!((record.outcome, record.signed), (Outcome::Forwarded, false));
    assert_eq!(
        world.wait_for_observed("vm", 1)[0].signature,
        SignatureFinding::Exempt
    );
    world.expect_refusal(
        "vm",
        "app",
        &Curl::wireserver("/vmAgentLog").arguments(&["-X", "PUT"]),
        (403, "root_required"),
    );
    world.end(&[("vm", 2)]);
}

const LIMIT: std::time::Duration = latchkey_lab::system::LIMIT;
