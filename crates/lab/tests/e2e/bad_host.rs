//! A host that answers badly: garbage, half answers, closed connections, refused keys, a status
//! that nobody understands.
//!
//! What is not understood changes nothing: the last good rules and the last good key stay, and in
//! Enforce nothing reaches even such a host unsigned. Unsafe requests reach it once at most.

use latchkey_lab::GuestPlan;
use latchkey_lab::curl::Curl;
use latchkey_protocol::Reason;
use latchkey_record::audit::Outcome;
use serde_json::{Value, json};

use crate::scripted_host::ScriptedHost;
use crate::world::{INSTANCE, TOKEN, World};

fn marked(marker: &str) -> Curl {
    Curl::imds(&format!("{INSTANCE}&marker={marker}"))
}

#[test]
fn garbage_from_the_host_is_502_and_the_next_answer_is_a_fresh_one() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    let mut host = ScriptedHost::replace(&mut world, "vm");
    let kinds = ["garbage", "nothing", "half a head"];
    for kind in kinds {
        host.answer(kind);
        world.expect_refusal(
            "vm",
            "app",
            &Curl::imds(INSTANCE),
            (502, "upstream_invalid"),
        );
        host.answer("serve");
        let answer = world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
        assert_eq!(answer.body, "ok", "{kind}");
    }
    // Bytes behind an answer are nobody's.
    host.answer("too much");
    assert_eq!(
        world.expect("vm", "app", &Curl::imds(INSTANCE), 200).body,
        "ok"
    );
    host.answer("serve");
    assert_eq!(
        world.expect("vm", "www", &Curl::imds(INSTANCE), 200).body,
        "ok"
    );
    let asked = 2 * kinds.len() + 2;
    for (number, record) in world
        .system
        .wait_for_audit("vm", asked)
        .unwrap()
        .iter()
        .enumerate()
    {
        let is_bad = number < 2 * kinds.len() && number % 2 == 0;
        let expected = if is_bad {
            (Outcome::Failed, Some(Reason::UpstreamInvalid))
        } else {
            (Outcome::Forwarded, None)
        };
        assert_eq!((record.outcome, record.reason), expected, "{record:?}");
    }
    let seen = host.seen();
    assert!(seen.iter().all(|seen| seen.key.is_some()), "{seen:?}");
    host.give_back(&mut world);
    world.end(&[("vm", asked)]);
}

#[test]
fn answer_of_any_framing_arrives_whole_and_one_that_breaks_off_never_looks_whole() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    let mut host = ScriptedHost::replace(&mut world, "vm");
    let chunked = [
        "--header",
        "Transfer-Encoding: chunked",
        "--data-binary",
        "in pieces",
    ];
    for kind in ["chunked", "until the end"] {
        host.answer(kind);
        let request = Curl::imds(INSTANCE).arguments(&chunked);
        let answer = world.expect("vm", "app", &request, 200);
        assert_eq!((answer.exit, &*answer.body), (Some(0), "abcde"), "{kind}");
    }
    host.answer("break off");
    let answer = world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    assert!(![None, Some(0)].contains(&answer.exit), "{answer:?}");
    let record = world.record("vm", 3);
    let found = (record.outcome, record.reason, record.status);
    assert_eq!(
        found,
        (Outcome::Failed, Some(Reason::UpstreamInvalid), Some(200))
    );
    for seen in host.seen().iter().take(2) {
        assert_eq!(
            (&*seen.method, &*seen.body),
            ("POST", "in pieces"),
            "{seen:?}"
        );
        assert!(seen.key.is_some());
    }
    host.give_back(&mut world);
    world.end(&[("vm", 3)]);
}

#[test]
fn safe_request_over_a_connection_that_the_host_closed_is_sent_once_more_and_an_unsafe_one_not() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    let mut host = ScriptedHost::replace(&mut world, "vm");
    host.answer("close when idle");
    world.expect("vm", "app", &marked("first"), 200);
    world.expect("vm", "app", &marked("safe"), 200);
    let unsafe_one = marked("unsafe").arguments(&["--request", "POST"]);
    world.expect_refusal("vm", "app", &unsafe_one, (502, "upstream_invalid"));
    let seen = host.seen();
    let got = |marker: &str| -> Vec<u64> {
        let marked = seen.iter().filter(|seen| seen.target.ends_with(marker));
        marked.map(|seen| seen.connection).collect()
    };
    let (first, safe, unsafe_one) = (got("=first"), got("=safe"), got("=unsafe"));
    assert_eq!(
        (first.len(), safe.len(), unsafe_one.len()),
        (1, 2, 1),
        "{seen:?}"
    );
    assert_eq!(safe[0], first[0], "tried over the idle connection first");
    assert_ne!(safe[1], first[0]);
    assert_eq!(
        unsafe_one[0], safe[1],
        "tried over the idle connection, and no other"
    );
    assert!(seen.iter().all(|seen| seen.key.is_some()), "{seen:?}");
    host.give_back(&mut world);
    world.end(&[("vm", 3)]);
}

/// Changes what a scripted host announces, which must be shown as a problem and change nothing:
/// the rules of the standard profile hold, and the old key signs.
fn assert_changes_nothing(change: impl Fn(&mut Value), problem: &str) {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    let before = world.system.wait_until_served("vm").unwrap();
    let mut host = ScriptedHost::replace(&mut world, "vm");
    host.change(change);
    let shows = |status: &latchkey_record::AgentStatus| {
        let endpoints = status.endpoints.iter().map(|endpoint| &endpoint.problem);
        let mut problems = endpoints.chain([&status.channel.problem]).flatten();
        problems.any(|shown| shown.contains(problem)) && !status.healthy
    };
    let after = world.system.wait_for_status("vm", problem, shows).unwrap();
    assert_eq!(after.channel.key, before.channel.key);
    let in_force = |status: &latchkey_record::AgentStatus| -> Vec<_> {
        let endpoints = status.endpoints.iter();
        endpoints
            .map(|found| (found.mode, found.rules_hash.clone()))
            .collect()
    };
    assert_eq!(in_force(&after), in_force(&before));
    world.expect("vm", "app", &Curl::imds(TOKEN), 200);
    world.expect_refusal(
        "vm",
        "www",
        &Curl::imds(TOKEN),
        (403, "caller_not_assigned"),
    );
    let seen = host.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].key, before.channel.key);
    host.give_back(&mut world);
    let recovered = world.system.status("vm").unwrap().unwrap();
    assert_eq!(recovered.channel.key, before.channel.key);
    world.end(&[("vm", 2)]);
}

#[test]
fn status_of_an_unknown_version_changes_nothing_and_is_shown() {
    assert_changes_nothing(
        |plan| plan["status"]["body"]["version"] = "9.0".into(),
        "unknown version `9.0`",
    );
}

#[test]
fn status_that_is_no_document_or_is_refused_changes_nothing_and_is_shown() {
    assert_changes_nothing(
        |plan| plan["status"]["body"] = json!("what?"),
        "not of the expected form",
    );
    assert_changes_nothing(|plan| plan["status"]["status"] = 500.into(), "answered 500");
}

#[test]
fn rules_that_cannot_be_compiled_leave_the_last_good_ones_and_are_shown() {
    let rules = "authorizationRules";
    assert_changes_nothing(
        |plan| plan["status"]["body"][rules]["imds"]["defaultAccess"] = "perhaps".into(),
        "invalid",
    );
    assert_changes_nothing(
        |plan| plan["status"]["body"][rules]["imds"]["mode"] = "off".into(),
        "mode of `imds`",
    );
}

#[test]
fn refused_or_unusable_key_leaves_the_old_one_in_use_and_is_shown() {
    let forget = |plan: &mut Value| plan["status"]["body"]["keyGuid"] = Value::Null;
    assert_changes_nothing(
        |plan| {
            forget(plan);
            plan["key"] = json!({ "status": 403, "body": {} });
        },
        "answered 403",
    );
    assert_changes_nothing(
        |plan| {
            forget(plan);
            plan["key"] = json!({ "status": 200, "body": { "key": "no" } });
        },
        "use the key that the host issued",
    );
}
