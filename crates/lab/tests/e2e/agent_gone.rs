//! What holds while the agent is dead: in Enforce nothing gets out, in Audit everything works.

use std::time::{Duration, Instant};

use latchkey_lab::curl::Curl;
use latchkey_lab::system::LIMIT;
use latchkey_lab::{GuestPlan, wait};
use latchkey_record::observation::SignatureFinding;

use crate::world::{GOAL_STATE, INSTANCE, World};

/// The kernel takes an agent for gone when its last heartbeat is older than 5 s; this is longer.
const PAST_THE_HEARTBEAT: Duration = Duration::from_millis(6_500);

#[test]
fn killed_agent_leaves_connections_refused_at_once_and_for_good_and_never_direct() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    world.expect("vm", "root", &Curl::imds(INSTANCE), 200);
    // What waits in memory to be written is lost with a killed agent.
    world.record("vm", 1);
    world.system.kill_agent("vm").unwrap();
    let killed = Instant::now();
    while killed.elapsed() < PAST_THE_HEARTBEAT {
        for user in ["root", "app"] {
            world.expect_no_connection("vm", user, &Curl::imds(INSTANCE));
            world.expect_no_connection("vm", user, &Curl::imds_mapped(INSTANCE));
            world.expect_no_connection("vm", user, &Curl::wireserver(GOAL_STATE));
        }
    }
    assert_eq!(
        world.observed("vm").len(),
        1,
        "the host saw a request of the guest"
    );
    // The kernel's counters outlive the agent: both ways of refusing were taken.
    world.system.start_agent("vm").unwrap();
    world.system.wait_until_served("vm").unwrap();
    let counted = |name, least| {
        move |status: &latchkey_record::AgentStatus| {
            status
                .kernel
                .iter()
                .any(|(counter, value)| counter == name && *value >= least)
        }
    };
    for (counter, least) in [("redirected", 2), ("agent_gone_refused", 1)] {
        world
            .system
            .wait_for_status("vm", counter, counted(counter, least))
            .unwrap();
    }
    world.end(&[("vm", 1)]);
}

#[test]
fn restarted_agent_serves_again_with_the_key_from_its_file() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    let before = world.system.wait_until_served("vm").unwrap();
    assert!(
        before.counters.contains(&("keys_latched".to_owned(), 1)),
        "{before:?}"
    );
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    world.record("vm", 1);
    world.system.kill_agent("vm").unwrap();
    world.expect_no_connection("vm", "app", &Curl::imds(INSTANCE));
    world.system.start_agent("vm").unwrap();
    let after = world.system.wait_until_served("vm").unwrap();
    assert_eq!(after.channel.key, before.channel.key);
    assert!(after.channel.key.is_some());
    assert!(
        after.counters.contains(&("keys_latched".to_owned(), 0)),
        "{after:?}"
    );
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    let observations = world.system.observations().unwrap();
    let issued = observations
        .iter()
        .filter(|seen| seen.target.as_deref() == Some("/secure-channel/key"));
    assert_eq!(issued.count(), 1, "{observations:?}");
    // The trail goes on in the same file, under the name of the new run.
    world.record("vm", 2);
    let runs: Vec<String> = world
        .system
        .audit("vm")
        .unwrap()
        .into_iter()
        .map(|r| r.run)
        .collect();
    assert_ne!(runs[0], runs[1]);
    world.end(&[("vm", 2)]);
}

#[test]
fn in_audit_calls_pass_when_the_agent_is_gone() {
    let mut world = World::start([GuestPlan::audit("vm")]);
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    world.system.kill_agent("vm").unwrap();
    // As long as the heartbeat is fresh the kernel still redirects, to nobody.
    let passed = wait::until(LIMIT, || {
        let answer = Curl::imds(INSTANCE).run(world.guest("vm"), "app")?;
        Ok::<_, latchkey_lab::ProcessError>(answer.status)
    });
    assert_eq!(passed.unwrap(), Some(200));
    world.expect("vm", "root", &Curl::wireserver(GOAL_STATE), 200);
    let seen = world.wait_for_observed("vm", 3);
    let signatures: Vec<SignatureFinding> = seen.iter().map(|seen| seen.signature).collect();
    let (valid, absent) = (SignatureFinding::Valid, SignatureFinding::Absent);
    assert_eq!(signatures, [valid, absent, absent]);
    assert!(seen.iter().all(|seen| seen.accepted), "{seen:?}");
    world.end(&[]);
}

#[test]
fn agent_that_ends_properly_leaves_enforce_closed_too() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    assert!(world.system.terminate_agent("vm").unwrap().success());
    world.expect_no_connection("vm", "root", &Curl::imds(INSTANCE));
    assert_eq!(world.observed("vm"), []);
    world.end(&[]);
}
