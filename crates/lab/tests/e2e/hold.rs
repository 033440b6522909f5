//! Requests that come while the agent has no key: held, and then answered or refused as the mode says.

use std::ops::RangeInclusive;
use std::time::Duration;

use latchkey_lab::curl::{Answer, Curl};
use latchkey_lab::{Command, GuestPlan};
use latchkey_protocol::Reason;
use latchkey_record::AgentStatus;
use latchkey_record::audit::Outcome;
use latchkey_record::observation::SignatureFinding;

use crate::world::{GOAL_STATE, TOKEN, World};

/// Longer than any hold: the configured 25 s.
const BEYOND_THE_HOLD: Duration = Duration::from_secs(60);

/// How long a request is held at the most, in microseconds, and answered then.
const HOLD_US: RangeInclusive<u64> = 25_000_000..=30_000_000;

/// Restarts a guest's agent without its key, which the host does not issue twice.
fn lose_key(world: &mut World, guest: &str) {
    let status = world.system.terminate_agent(guest).unwrap();
    assert!(status.success(), "{status}");
    std::fs::remove_dir_all(world.system.key_folder(guest).unwrap()).unwrap();
    world.system.start_agent(guest).unwrap();
    world
        .system
        .wait_for_status(guest, "rules and no key", |status| {
            status.channel.key.is_none()
                && status
                    .endpoints
                    .iter()
                    .all(|endpoint| endpoint.rules_hash.is_some())
        })
        .unwrap();
}

fn patient(request: &Curl, world: &World, guest: &str, user: &str) -> Command {
    let request = request.clone().arguments(&["--max-time", "50"]);
    request.command(world.guest(guest), user)
}

fn ask(command: &Command) -> Answer {
    Answer::parse(&command.output(BEYOND_THE_HOLD).unwrap().stdout_text())
}

fn has_held(count: u64) -> impl Fn(&AgentStatus) -> bool {
    move |status| {
        status
            .counters
            .contains(&("requests_held".to_owned(), count))
    }
}

#[test]
fn request_before_the_key_is_held_and_answered_once_the_key_is_there() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    lose_key(&mut world, "vm");
    let command = patient(&Curl::imds(TOKEN), &world, "vm", "app");
    let answer = std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&command));
        world
            .system
            .wait_for_status("vm", "a held request", has_held(1))
            .unwrap();
        // What neither rules nor key can change is answered meanwhile.
        let refusal = (403, "caller_not_assigned");
        world.expect_refusal("vm", "www", &Curl::imds(TOKEN), refusal);
        world.system.rotate_key("vm").unwrap();
        asking.join().unwrap()
    });
    assert_eq!(answer.status, Some(200), "{answer:?}");
    let seen = world.wait_for_observed("vm", 1).remove(0);
    assert_eq!(
        (seen.signature, seen.is_root),
        (SignatureFinding::Valid, Some(false))
    );
    world.end(&[("vm", 2)]);
}

#[test]
fn key_that_does_not_come_gives_429_in_enforce_and_an_unsigned_request_in_audit() {
    let mut world = World::start([GuestPlan::enforce("enforce"), GuestPlan::audit("audit")]);
    lose_key(&mut world, "enforce");
    lose_key(&mut world, "audit");
    let commands = [
        patient(&Curl::imds(TOKEN), &world, "enforce", "app"),
        patient(&Curl::wireserver(GOAL_STATE), &world, "enforce", "root"),
        patient(&Curl::imds(TOKEN), &world, "audit", "app"),
    ];
    let answers = std::thread::scope(|scope| {
        commands
            .each_ref()
            .map(|command| scope.spawn(move || ask(command)))
            .map(|asking| asking.join().unwrap())
    });
    for answer in &answers[..2] {
        assert_eq!(answer.status, Some(429), "{answer:?}");
        assert_eq!(answer.reason(), Some("key_pending"));
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    assert_eq!(answers[2].status, Some(200), "{:?}", answers[2]);
    world.record("enforce", 2);
    for record in world.system.audit("enforce").unwrap() {
        assert_eq!((record.outcome, record.signed), (Outcome::Refused, false));
        assert_eq!(record.reason, Some(Reason::KeyPending));
        assert!(HOLD_US.contains(&record.duration_us), "{record:?}");
    }
    let record = world.record("audit", 1);
    assert_eq!((record.outcome, record.signed), (Outcome::Forwarded, false));
    assert_eq!(record.would_refuse, Some(Reason::KeyPending));
    assert!(HOLD_US.contains(&record.duration_us), "{record:?}");
    assert_eq!(world.observed("enforce"), []);
    let seen = world.wait_for_observed("audit", 1).remove(0);
    assert_eq!(seen.signature, SignatureFinding::Absent);
    world.end(&[("enforce", 2), ("audit", 1)]);
}
