//! The packs that the operator's program prints, as a host is given them.

use std::process::Command;

use latchkey_lab::binaries::{self, Binary};
use latchkey_lab::system::LIMIT;
use latchkey_lab::{GuestPlan, Profile};

use crate::clients::tool::Tool;
use crate::world::World;

/// Returns the profile that `latchkey profile starter` prints.
#[track_caller]
pub(crate) fn starter(arguments: &[&str]) -> Profile {
    let output = Command::new(binaries::find(Binary::Cli).unwrap())
        .args(["profile", "starter"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let document = serde_json::from_slice(&output.stdout).unwrap();
    Profile::written("starter", document)
}

#[test]
fn azure_identity_gets_a_token_under_its_starter_pack_and_nobody_else_does() {
    let pack = ["managed-identity", "--user", "app", "--endpoint", "imds"];
    let world = World::start([GuestPlan::enforce("vm").with_profile(starter(&pack))]);
    Tool::Python.install(world.guest("vm"));
    let run = |user: &str| {
        let script = include_str!("../clients/azure_managed_identity.py");
        let python = world.guest("vm").command(user, Tool::Python.program());
        python.args(["-B", "-c", script]).output(LIMIT).unwrap()
    };
    let output = run("app");
    assert!(output.success(), "{output:?}");
    assert!(output.stdout_text().starts_with("token "), "{output:?}");
    for user in ["www", "root"] {
        let output = run(user);
        assert_eq!(output.code(), Some(1), "{output:?}");
        assert!(output.stderr.contains("caller_not_assigned"), "{output:?}");
    }
    world.wait_for_observed("vm", 1);
    world.end(&[("vm", 3)]);
}
