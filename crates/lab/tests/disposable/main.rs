//! The agent as it is installed: default configuration, the machine's root control group, its own
//! network namespace. Only for a machine that is thrown away afterwards.
//!
//! `make test-kernels` runs this in virtual machines; anywhere else it refuses to.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is the test's"
)]

mod installed;
mod machine;

use installed::InstalledAgent;
use latchkey_lab::GuestPlan;
use latchkey_lab::Profile;
use latchkey_lab::system::profile::INSTANCE_PATH;
use latchkey_record::observation::SignatureFinding;
use machine::Machine;

/// What root alone may read under the profile of this test.
const INSTANCE: &str = "http://169.254.169.254/metadata/instance?api-version=2021-08-01";

#[test]
#[ignore = "attaches programs to the root control group: `make test-kernels` runs it in a virtual machine"]
fn agent_on_the_root_control_group_brokers_and_leaves_nothing_open_until_it_is_detached() {
    machine::assert_disposable();
    let roots = Profile::deny("root").grant("instance", INSTANCE_PATH, &["root"]);
    let machine = Machine::start(GuestPlan::enforce("vm").with_profile(roots));
    let mut agent = InstalledAgent::start();
    let key = agent.wait_until_healthy().channel.key;
    assert!(key.is_some());

    // Every control group is below the root's: the first process's own, and one made just now.
    machine.expect("root", INSTANCE, 200);
    machine.in_new_cgroup("app.slice", |machine| {
        machine.expect("root", INSTANCE, 200);
        machine.expect("nobody", INSTANCE, 403);
    });
    machine.expect_observed(&[SignatureFinding::Valid; 2]);

    // What the agent cannot tell apart or cannot carry does not pass either.
    machine.expect_refused_connection("from another network namespace", &["unshare", "--net"]);
    machine.expect_refused_datagram();

    agent.kill();
    machine.expect_no_connection("root", INSTANCE);
    machine.expect_no_connection("nobody", INSTANCE);

    agent.restart();
    assert_eq!(agent.wait_until_healthy().channel.key, key);
    machine.expect("root", INSTANCE, 200);
    machine.expect_observed(&[SignatureFinding::Valid; 3]);
    agent.keep_status();

    // Removing the pins is all that detaching takes; the host alone protects itself then.
    agent.kill();
    installed::remove_pins();
    machine.wait_for_status("root", INSTANCE, 401);
    let absent = SignatureFinding::Absent;
    let valid = SignatureFinding::Valid;
    machine.expect_observed(&[valid, valid, valid, absent]);
    machine.stop();
}
