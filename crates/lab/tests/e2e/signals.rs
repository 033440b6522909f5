//! Signals to the agent: SIGTERM ends it without losing a request, SIGHUP makes it ask the host.

use std::time::Duration;

use latchkey_lab::curl::Curl;
use latchkey_lab::system::{LIMIT, SystemError};
use latchkey_lab::{GuestPlan, Process, wait};
use latchkey_record::audit::Outcome;
use rustix::process::Signal;

use crate::world::{INSTANCE, World};

/// Sends half of an upload, waits for the file that is named, and sends the rest.
const IN_TWO_HALVES: &str = r#"
import os, socket, sys, time
s = socket.create_connection(("168.63.129.16", 80), 60)
s.sendall(b"PUT /vmAgentLog HTTP/1.1\r\nHost: 168.63.129.16\r\nContent-Length: 2000\r\n\r\n")
s.sendall(b"a" * 1000)
print("half is sent", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
s.sendall(b"b" * 1000)
print("answer:", s.makefile("rb").readline().decode().strip(), flush=True)
"#;

#[test]
fn sigterm_lets_the_request_in_flight_finish_and_takes_no_new_one() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    let go = world.guest("vm").dir().join("go");
    let mut upload = start_upload(&world, &go);
    // The agent has read the request, not only the kernel its bytes.
    world
        .system
        .wait_for_status("vm", "a connection to the host", |status| {
            let open = status
                .counters
                .iter()
                .find(|(name, _)| name == "connections");
            open.is_some_and(|(_, count)| *count == 1)
        })
        .unwrap();
    world.system.signal_agent("vm", Signal::TERM).unwrap();
    world.system.wait_for_agent_line("vm", "stopping").unwrap();
    let refused = wait::until(LIMIT, || {
        let answer = Curl::imds(INSTANCE).run(world.guest("vm"), "app")?;
        Ok::<_, latchkey_lab::ProcessError>((answer.exit == Some(7)).then_some(()))
    });
    assert!(
        refused.unwrap().is_some(),
        "a draining agent takes new connections"
    );
    std::fs::write(&go, "").unwrap();
    let answer = upload.wait_for_line("answer:", LIMIT).unwrap();
    assert_eq!(answer, "answer: HTTP/1.1 200 OK");
    assert!(world.system.wait_for_agent_end("vm").unwrap().success());
    let records = world.system.audit("vm").unwrap();
    let (last, earlier) = records.split_last().unwrap();
    assert_eq!(
        (last.outcome, last.status),
        (Outcome::Forwarded, Some(200)),
        "{last:?}"
    );
    assert_eq!(last.target.as_deref(), Some("/vmAgentLog"));
    assert_eq!(earlier, []);
    world.end(&[]);
}

fn start_upload(world: &World, go: &std::path::Path) -> Process {
    let python = world.guest("vm").command("root", "/usr/bin/python3");
    let mut upload = python.args(["-c", IN_TWO_HALVES]).arg(go).spawn().unwrap();
    upload.wait_for_line("half is sent", LIMIT).unwrap();
    upload
}

#[test]
fn sighup_makes_the_agent_ask_the_host_at_once() {
    let hour = Duration::from_secs(3_600);
    let mut world = World::start([GuestPlan::enforce("vm").with_poll_interval(hour)]);
    let polls = |world: &World| {
        let mut observations = world.system.observations().unwrap();
        observations.retain(|seen| seen.target.as_deref() == Some("/secure-channel/status"));
        observations.len()
    };
    let before = polls(&world);
    assert!(before > 0);
    // Nothing is asked by itself meanwhile.
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    world.wait_for_observed("vm", 1);
    assert_eq!(polls(&world), before);
    world.system.signal_agent("vm", Signal::HUP).unwrap();
    let asked = wait::until(LIMIT, || {
        Ok::<_, SystemError>((polls(&world) > before).then_some(()))
    });
    assert!(asked.unwrap().is_some());
    assert_eq!(polls(&world), before + 1);
    world.end(&[("vm", 1)]);
}
