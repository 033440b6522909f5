//! What `latchkey observe` tells beside a running agent.

use latchkey_lab::binaries::{self, Binary};
use latchkey_lab::curl::Curl;
use latchkey_lab::system::LIMIT;
use latchkey_lab::{Command, GuestPlan};
use serde_json::{Value, json};

use crate::world::{INSTANCE, TOKEN, World};

/// The command, for the log that the configuration of the guest's agent names.
fn observe(world: &World) -> Command {
    let guest = world.guest("vm");
    let latchkey = guest.command("root", binaries::find(Binary::Cli).unwrap());
    let config = guest.dir().join("agent").join("agent.toml");
    latchkey.args(["observe", "--json", "--config"]).arg(config)
}

#[test]
fn observer_beside_the_agent_sees_what_is_allowed_and_what_is_refused() {
    let world = World::start([GuestPlan::enforce("vm")]);
    world.expect("vm", "root", &Curl::imds(INSTANCE), 200);
    world.record("vm", 1);
    let mut running = observe(&world).arg("--from-beginning").spawn().unwrap();
    // It has begun once it has told what was there before.
    running.wait_for_line("\"root\"", LIMIT).unwrap();
    world.expect("vm", "app", &Curl::imds(TOKEN), 200);
    running.wait_for_line("\"app\"", LIMIT).unwrap();
    world.expect("vm", "www", &Curl::imds(TOKEN), 403);
    running.wait_for_line("\"www\"", LIMIT).unwrap();
    running.terminate().unwrap();
    assert!(running.wait(LIMIT).unwrap().success());
    let said = running.log().unwrap();
    let lines = said.lines().map(|line| serde_json::from_str(line).unwrap());
    let told: Vec<Value> = lines
        .map(|line: Value| json!([line["caller"]["userName"], line["verdict"], line["reason"]]))
        .collect();
    let expected = json!([
        ["root", "allow", null],
        ["app", "allow", null],
        ["www", "deny", "caller_not_assigned"],
    ]);
    assert_eq!(Value::Array(told), expected, "{said}");
    world.end(&[("vm", 3)]);
}
