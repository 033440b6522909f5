//! `azure-identity` for Python on a machine with several identities.

use latchkey_lab::GuestPlan;
use latchkey_lab::system::LIMIT;

use super::tool::Tool;
use crate::world::World;

#[test]
fn token_is_of_the_identity_that_the_client_names() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let guest = world.guest("vm");
    Tool::Python.install(guest);
    let script = include_str!("../../clients/azure_identities.py");
    let python = guest.command("app", Tool::Python.program());
    let output = python.args(["-B", "-c", script]).output(LIMIT).unwrap();
    assert!(output.success(), "{}", output.stderr);
    assert_eq!(
        output.stdout_text(),
        "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee vm\n\
         dddddddd-eeee-4fff-8000-111111111111 deploy\n"
    );
    world.end(&[("vm", 2)]);
}
