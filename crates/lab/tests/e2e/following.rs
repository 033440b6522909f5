//! The agent follows what is changed on the host: profiles, modes, keys; and never what is broken.

use std::sync::atomic::{AtomicBool, Ordering};

use latchkey_lab::curl::Curl;
use latchkey_lab::system::{LIMIT, SystemError, profile};
use latchkey_lab::{GuestPlan, Profile, wait};
use latchkey_protocol::Mode;
use latchkey_record::AgentStatus;
use latchkey_record::observation::SignatureFinding;
use serde_json::Value;

use crate::stray::{ask_signed, read_key};
use crate::world::{TOKEN, World};

/// A profile that gives tokens to `www` instead of `app`.
fn swapped() -> Profile {
    Profile::deny("swapped")
        .grant("read-instance", profile::INSTANCE_PATH, &["app"])
        .grant("get-token", profile::TOKEN_PATH, &["www"])
}

/// Returns the id and the hash of the rules of the instance metadata service.
fn rules(status: &AgentStatus) -> (Option<&str>, Option<&str>) {
    let imds = status
        .endpoints
        .iter()
        .find(|endpoint| endpoint.name == "imds")
        .unwrap();
    (imds.rules.as_deref(), imds.rules_hash.as_deref())
}

fn has_rules(prefix: &'static str) -> impl Fn(&AgentStatus) -> bool {
    move |status| rules(status).0.is_some_and(|id| id.starts_with(prefix))
}

#[test]
fn profile_changed_on_the_host_takes_effect_without_a_restart() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    let before = world.system.wait_until_served("vm").unwrap();
    assert!(has_rules("standard-")(&before), "{before:?}");
    world.expect("vm", "app", &Curl::imds(TOKEN), 200);
    world.expect("vm", "www", &Curl::imds(TOKEN), 403);
    world
        .system
        .change("vm", |plan| plan.with_profile(swapped()))
        .unwrap();
    let after = world
        .system
        .wait_for_status("vm", "new rules", has_rules("swapped-"))
        .unwrap();
    assert_ne!(rules(&after).1, rules(&before).1);
    assert_eq!(after.started, before.started);
    world.expect("vm", "app", &Curl::imds(TOKEN), 403);
    world.expect("vm", "www", &Curl::imds(TOKEN), 200);
    assert!(world.record("vm", 4).rules.unwrap().starts_with("swapped-"));
    world.end(&[("vm", 4)]);
}

#[test]
fn broken_machine_file_never_replaces_the_good_one() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    let good = std::fs::read_to_string(world.system.machine_file("vm")).unwrap();
    let before = world.system.wait_until_served("vm").unwrap();
    let with = |pointer: &str, value: &str| {
        let mut machine: Value = serde_json::from_str(&good).unwrap();
        *machine.pointer_mut(pointer).unwrap() = value.into();
        machine.to_string()
    };
    let broken = [
        good.get(..good.len() / 2).unwrap().to_owned(),
        with("/imds/profile/rules/roleAssignments/0/role", "no-such-role"),
        with("/imds/profile/defaultAccess", "Perhaps"),
        with("/imds/mode", "Enforced"),
        String::new(),
    ];
    for text in broken {
        std::fs::write(world.system.machine_file("vm"), &text).unwrap();
        assert!(wait_for_problem(&world, true), "accepted: {text}");
        std::fs::write(world.system.machine_file("vm"), &good).unwrap();
        assert!(
            wait_for_problem(&world, false),
            "not recovered after: {text}"
        );
    }
    std::fs::write(world.system.machine_file("vm"), "{}").unwrap();
    assert!(wait_for_problem(&world, true));
    world.expect("vm", "app", &Curl::imds(TOKEN), 200);
    world.expect("vm", "www", &Curl::imds(TOKEN), 403);
    let after = world.system.status("vm").unwrap().unwrap();
    assert_eq!(rules(&after), rules(&before));
    assert!(after.healthy, "{after:?}");
    world.end(&[("vm", 2)]);
}

/// Waits until the host shows a problem with its machine files, or none.
fn wait_for_problem(world: &World, is_awaited: bool) -> bool {
    let found = wait::until(LIMIT, || {
        let status = world.system.admin("/status")?;
        let is_there = !status["reloadProblem"].is_null();
        Ok::<_, SystemError>((is_there == is_awaited).then_some(()))
    });
    found.unwrap().is_some()
}

#[test]
fn mode_changed_on_the_host_is_followed_in_both_directions() {
    let mut world = World::start([GuestPlan::audit("vm")]);
    world.expect("vm", "www", &Curl::imds(TOKEN), 200);
    world
        .system
        .change("vm", |plan| plan.with_mode(Mode::Enforce))
        .unwrap();
    world.system.wait_until_served("vm").unwrap();
    world.expect("vm", "www", &Curl::imds(TOKEN), 403);
    world
        .system
        .change("vm", |plan| plan.with_mode(Mode::Audit))
        .unwrap();
    world.system.wait_until_served("vm").unwrap();
    world.expect("vm", "www", &Curl::imds(TOKEN), 200);
    world.end(&[("vm", 3)]);
}

#[test]
fn disabled_endpoints_are_left_alone() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    world
        .system
        .change("vm", |plan| plan.with_mode(Mode::Disabled))
        .unwrap();
    world.system.wait_until_served("vm").unwrap();
    // The kernel follows the status within the same moment, not within the same instruction.
    let passed = wait::until(LIMIT, || {
        let answer = Curl::imds(TOKEN).run(world.guest("vm"), "mallory")?;
        Ok::<_, latchkey_lab::ProcessError>((answer.status == Some(200)).then_some(()))
    });
    assert!(passed.unwrap().is_some());
    let seen = world.wait_for_observed("vm", 1).remove(0);
    assert_eq!(
        (seen.signature, seen.mode),
        (SignatureFinding::Absent, Some(Mode::Disabled))
    );
    world.end(&[]);
}

#[test]
fn requests_keep_working_while_the_key_is_rotated_and_the_old_key_ends() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    let old = world.system.wait_until_served("vm").unwrap().channel;
    let old_key = read_key(&world, "vm");
    let asked = rotate_while_asking(&mut world);
    let new = world.system.status("vm").unwrap().unwrap().channel;
    assert_eq!((old.incarnation, new.incarnation), (Some(1), Some(2)));
    assert_ne!(old.key, new.key);
    let new_key = read_key(&world, "vm");
    assert_ne!(new_key, old_key);
    // What is on its way when the key changes may still arrive: for 10 s, not longer.
    let mut strays = 0;
    let refused = wait::until(LIMIT, || {
        let answer = ask_signed(&world, "vm", &old_key);
        strays += usize::from(answer.status == Some(401));
        Ok::<_, SystemError>(answer.reason().map(str::to_owned))
    });
    assert_eq!(refused.unwrap().as_deref(), Some("unknown_key"));
    assert_eq!(ask_signed(&world, "vm", &new_key).status, Some(200));
    world.end_with_strays(&[("vm", asked)], strays);
}

/// Rotates the key while another thread asks and asks; returns how many requests were answered.
fn rotate_while_asking(world: &mut World) -> usize {
    let is_over = AtomicBool::new(false);
    let id = world.system.lab().id();
    let command = Curl::imds(TOKEN).command(world.guest("vm"), "app");
    let ask = || {
        let mut answered = 0;
        // A few more once it is over.
        let mut left = 10;
        while left > 0 {
            let text = command.output(LIMIT).unwrap().stdout_text();
            assert!(
                text.starts_with("HTTP/1.1 200"),
                "{id}: request {answered}: {text}"
            );
            answered += 1;
            left -= usize::from(is_over.load(Ordering::Relaxed));
        }
        answered
    };
    std::thread::scope(|scope| {
        let asking = scope.spawn(ask);
        assert_eq!(world.system.rotate_key("vm").unwrap(), 2);
        let followed = world
            .system
            .wait_for_status("vm", "the second key", |status| {
                status.healthy && status.channel.incarnation == Some(2)
            });
        is_over.store(true, Ordering::Relaxed);
        followed.unwrap();
        asking.join().unwrap()
    })
}
