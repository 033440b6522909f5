//! Connections that a guest's programs opened before the agent protected the endpoint.

use std::path::PathBuf;

use latchkey_lab::curl::Curl;
use latchkey_lab::system::LIMIT;
use latchkey_lab::{GuestPlan, Process, wait};
use latchkey_protocol::Mode;
use latchkey_record::AgentStatus;
use latchkey_record::observation::SignatureFinding;

use crate::world::{INSTANCE, World};

const CLIENT: &str = include_str!("held_client.py");

/// A client that keeps its one connection.
struct Holder {
    process: Process,
    prefix: PathBuf,
    asked: u32,
}

impl Holder {
    /// Starts one and waits until its connection is open.
    fn start(world: &World) -> Self {
        let guest = world.guest("vm");
        let prefix = guest.dir().join("ask");
        let command = guest.command("app", "/usr/bin/python3");
        let command = command.args(["-c", CLIENT]).arg(&prefix).arg(INSTANCE);
        let mut process = command.spawn().unwrap();
        process.wait_for_line("open", LIMIT).unwrap();
        Self {
            process,
            prefix,
            asked: 0,
        }
    }

    /// Asks over its connection and returns the status, or the name of the error.
    fn ask(&mut self) -> String {
        self.asked += 1;
        let (number, prefix) = (self.asked, self.prefix.display());
        std::fs::write(format!("{prefix}-{number}"), "").unwrap();
        let start = format!("answer {number}: ");
        let line = self.process.wait_for_line(&start, LIMIT).unwrap();
        line.strip_prefix(&start).unwrap().to_owned()
    }
}

/// Whether so many connections to IMDS were destroyed and left.
fn imds_had(destroyed: u64, left: u64) -> impl Fn(&AgentStatus) -> bool {
    move |status| {
        let mut endpoints = status.endpoints.iter();
        let imds = endpoints.find(|endpoint| endpoint.name == "imds").unwrap();
        let found = imds.preexisting.as_ref();
        found.is_some_and(|found| (found.destroyed, found.left) == (destroyed, left))
    }
}

fn signatures(world: &World, count: usize) -> Vec<SignatureFinding> {
    let seen = world.wait_for_observed("vm", count);
    seen.iter().map(|seen| seen.signature).collect()
}

#[test]
fn connection_from_before_the_agent_is_lost_when_protection_begins() {
    let mut world = World::start_without_agents([GuestPlan::audit("vm")]);
    let mut holder = Holder::start(&world);
    assert_eq!(holder.ask(), "200");
    world
        .system
        .change("vm", |plan| plan.with_mode(Mode::Enforce))
        .unwrap();
    world.system.start_agent("vm").unwrap();
    world.system.wait_until_served("vm").unwrap();
    let status = world
        .system
        .wait_for_status("vm", "one connection destroyed", imds_had(1, 0))
        .unwrap();
    let counted = ("preexisting_destroyed".to_owned(), 1);
    assert!(status.counters.contains(&counted), "{status:?}");
    assert_eq!(holder.ask(), "ConnectionAbortedError");
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    let (absent, valid) = (SignatureFinding::Absent, SignatureFinding::Valid);
    assert_eq!(signatures(&world, 2), [absent, valid]);
    drop(holder);
    world.end(&[("vm", 1)]);
}

#[test]
fn connection_from_before_goes_on_in_audit_until_the_endpoint_turns_to_enforce() {
    let mut world = World::start([GuestPlan::audit("vm")]);
    world.system.kill_agent("vm").unwrap();
    // As long as the heartbeat is fresh the kernel still redirects, to nobody.
    let passed = wait::until(LIMIT, || {
        let answer = Curl::imds(INSTANCE).run(world.guest("vm"), "app")?;
        Ok::<_, latchkey_lab::ProcessError>(answer.status)
    });
    assert_eq!(passed.unwrap(), Some(200));
    let mut holder = Holder::start(&world);
    assert_eq!(holder.ask(), "200");

    world.system.start_agent("vm").unwrap();
    world
        .system
        .wait_for_status("vm", "one connection left", imds_had(0, 1))
        .unwrap();
    world.system.wait_until_served("vm").unwrap();
    assert_eq!(holder.ask(), "200");
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);

    world
        .system
        .change("vm", |plan| plan.with_mode(Mode::Enforce))
        .unwrap();
    world
        .system
        .wait_for_status("vm", "that connection destroyed", imds_had(1, 0))
        .unwrap();
    assert_eq!(holder.ask(), "ConnectionAbortedError");
    world.system.wait_until_served("vm").unwrap();
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    let (absent, valid) = (SignatureFinding::Absent, SignatureFinding::Valid);
    let expected = [absent, absent, absent, valid, valid];
    assert_eq!(signatures(&world, 5), expected);
    drop(holder);
    world.end(&[("vm", 2)]);
}
