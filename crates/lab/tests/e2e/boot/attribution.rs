//! Who a program in a throw-away root is to the agent, which lives in the guest's own file system.

use std::path::Path;

use latchkey_lab::system::LIMIT;
use latchkey_lab::system::profile::{INSTANCE_PATH, Identity};
use latchkey_lab::{GuestPlan, Profile};
use latchkey_protocol::Reason;

use super::{BOOKWORM, Machine, VM};
use crate::world::INSTANCE;

const CURL: &str = "/usr/bin/curl";

/// Asks with curl, in the root, for what the machine is, and returns the status.
fn ask(machine: &Machine) -> String {
    let curl = machine.root.command("root", CURL);
    let quiet = ["--silent", "--max-time", "20", "--output", "/dev/null"];
    let shown = ["--write-out", "%{http_code}", "--header", "Metadata: true"];
    let url = format!("http://169.254.169.254{INSTANCE}");
    let answer = curl.args(quiet).args(shown).arg(url).output(LIMIT).unwrap();
    answer.stdout_text()
}

#[test]
fn program_in_another_mount_namespace_is_its_user_and_no_program() {
    let named = Profile::deny("curl").grant_to(
        "read",
        INSTANCE_PATH,
        [Identity::program("root", Path::new(CURL))],
    );
    let machine = Machine::start(GuestPlan::enforce(VM).with_profile(named), BOOKWORM);
    // Its path is one of another file system: `/usr/bin/curl` there may be anything.
    assert_eq!(ask(&machine), "403");
    let record = machine.world.record(VM, 1);
    let caller = record.caller.unwrap();
    assert_eq!(record.reason, Some(Reason::CallerNotAssigned));
    assert_eq!(
        (caller.user.as_deref(), caller.executable.as_deref()),
        (Some("root"), None)
    );
    assert!(caller.root);
    machine.end();
}

#[test]
fn user_of_a_program_in_another_pid_namespace_is_known() {
    let machine = Machine::start(super::allowing(), BOOKWORM);
    assert_eq!(ask(&machine), "200");
    let caller = machine.world.record(VM, 1).caller.unwrap();
    assert_eq!(
        (caller.user.as_deref(), caller.comm.as_str()),
        (Some("root"), "curl")
    );
    machine.end();
}
