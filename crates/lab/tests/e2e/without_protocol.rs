//! An agent none of whose endpoints speaks the protocol: it has no secure channel, and serves all the same.

use std::io::Write as _;

use latchkey_lab::GuestPlan;
use latchkey_lab::curl::Curl;
use latchkey_record::observation::SignatureFinding;

use crate::world::{INSTANCE, World};

const ENDPOINT: &str = r#"
[[endpoints]]
name = "imds"
kind = "imds"
addresses = ["169.254.169.254"]
port = 80
msp = false
initial_mode = "Audit"
"#;

#[test]
fn agent_without_a_secure_channel_forwards_unsigned_and_goes_on() {
    let mut world = World::start_without_agents([GuestPlan::audit("vm")]);
    let config = world.guest("vm").dir().join("agent/agent.toml");
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(config)
        .unwrap();
    file.write_all(ENDPOINT.as_bytes()).unwrap();
    world.system.start_agent("vm").unwrap();
    world.system.wait_until_served("vm").unwrap();
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    let seen = world.wait_for_observed("vm", 1);
    assert_eq!(seen[0].signature, SignatureFinding::Absent);
    assert!(!world.record("vm", 1).signed);
    world.end(&[("vm", 1)]);
}
