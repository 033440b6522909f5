//! Programs that provision a machine, in Enforce under the packs that are shipped for them, in the
//! units that they run in; nobody else gets what they get.

use latchkey_lab::GuestPlan;
use latchkey_lab::cgroup::Cgroup;
use latchkey_lab::curl::Curl;
use latchkey_protocol::Reason;

use super::{BOOKWORM, Machine, VM, azure_library, linux_agent, reports};
use crate::starter_packs::starter;
use crate::world::{GOAL_STATE, INSTANCE, TOKEN};

fn machine(pack: &str) -> Machine {
    let plan = GuestPlan::enforce(VM)
        .with_profile(starter(&[pack, "--endpoint", "imds"]))
        .with_wireserver_profile(starter(&[pack, "--endpoint", "wireserver"]));
    Machine::start(plan, BOOKWORM)
}

fn unit(machine: &Machine, name: &str) -> Cgroup {
    let guest = machine.world.guest(VM);
    let path = format!("system.slice/{name}");
    guest.cgroup().create_below(&path).unwrap()
}

/// A shell of root and a user get neither the description nor the goal state, and nobody a token.
#[track_caller]
fn intruders_are_refused(machine: &Machine) {
    let before = machine.world.system.audit(VM).unwrap().len();
    let goal_state = || Curl::wireserver(GOAL_STATE);
    for (user, request, reason) in [
        ("root", Curl::imds(INSTANCE), Reason::CallerNotAssigned),
        ("root", goal_state(), Reason::CallerNotAssigned),
        ("root", Curl::imds(TOKEN), Reason::NoMatchingRule),
        ("mallory", Curl::imds(INSTANCE), Reason::CallerNotAssigned),
        ("mallory", goal_state(), Reason::RootRequired),
    ] {
        let refusal = (403, reason.as_str());
        machine.world.expect_refusal(VM, user, &request, refusal);
    }
    let all = machine.world.system.wait_for_audit(VM, before + 5).unwrap();
    assert!(all.len() >= before + 5, "{all:?}");
}

#[test]
fn cloud_init_reports_ready_under_its_starter_pack_and_intruders_are_refused() {
    let machine = machine("cloud-init");
    let unit = unit(&machine, "cloud-init-local.service");
    let steps = azure_library::run(&machine, &["instance", "ready"]).in_cgroup(&unit);
    let output = steps.output(azure_library::TRIES).unwrap();
    assert!(output.success(), "{}", output.stderr);
    let seen = machine
        .world
        .wait_for_observed(VM, azure_library::REQUESTS.len());
    assert!(seen.iter().all(|seen| seen.accepted), "{seen:?}");
    assert!(reports(&machine)[0].contains("<State>Ready</State>"));
    intruders_are_refused(&machine);
    machine.end();
}

#[test]
fn linux_agent_does_its_work_under_its_starter_pack_and_intruders_are_refused() {
    let machine = machine("linux-agent");
    let unit = unit(&machine, "walinuxagent.service");
    let agent = linux_agent::command(&machine).in_cgroup(&unit);
    let agent = agent.spawn().unwrap();
    linux_agent::wait_for_rounds(&machine, &linux_agent::FIRST_ROUND, 1);
    drop(agent);
    let log = machine.root.read("/var/log/waagent.log").unwrap();
    assert!(log.contains("Fetch goal state completed"), "{log}");
    assert!(!log.contains("Status Code 403"), "{log}");
    let records = machine.world.system.audit(VM).unwrap();
    assert!(
        records.iter().all(|record| record.reason.is_none()),
        "{records:?}"
    );
    intruders_are_refused(&machine);
    machine.end();
}
