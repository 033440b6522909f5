//! cloud-init's own code for Azure: metadata, goal state and health report, without a boot.

use std::time::Duration;

use latchkey_lab::system::LIMIT;
use latchkey_lab::{Command, Output};
use latchkey_protocol::Reason;
use latchkey_record::audit::Outcome;

use super::{BOOKWORM, Machine, TRIXIE, allowing, refusing, reports};

/// Runs the steps that its arguments name.
const RUNNER: &str = include_str!("azure_library.py");

/// Where all steps lead.
pub(super) const REQUESTS: [(&str, &str); 3] = [
    (
        "GET",
        "/metadata/instance?api-version=2021-08-01&extended=true",
    ),
    ("GET", "/machine/?comp=goalstate"),
    ("POST", "/machine?comp=health"),
];

/// cloud-init waits 5 s between two tries at the `WireServer`; these are some.
pub(super) const TRIES: Duration = Duration::from_secs(60);

pub(super) fn run(machine: &Machine, steps: &[&str]) -> Command {
    let python = machine.root.command("root", "/usr/bin/python3");
    python.args(["-c", RUNNER]).args(steps)
}

fn output(machine: &Machine, steps: &[&str]) -> Output {
    run(machine, steps).output(TRIES).unwrap()
}

#[track_caller]
fn provisions(release: &str) {
    let machine = Machine::start(allowing(), release);
    let output = output(&machine, &["instance", "ready"]);
    assert!(output.success(), "{}", output.stderr);
    let said = output.stdout_text();
    assert!(
        said.starts_with("machine ") && said.ends_with("\nreported ready\n"),
        "{said}"
    );
    let seen = machine.world.wait_for_observed("vm", REQUESTS.len());
    let calls: Vec<_> = seen
        .iter()
        .map(|s| (s.method.as_deref().unwrap(), s.target.as_deref().unwrap()))
        .collect();
    assert_eq!(calls, REQUESTS);
    assert!(
        seen.iter().all(|seen| seen.is_root == Some(true)),
        "{seen:?}"
    );
    let reports = reports(&machine);
    assert!(reports[0].contains("<State>Ready</State>"), "{reports:?}");
    machine.end();
}

#[track_caller]
fn is_refused(release: &str) {
    let machine = Machine::start(refusing(), release);
    let instance = output(&machine, &["instance"]);
    assert_eq!(instance.code(), Some(1), "{instance:?}");
    assert!(
        instance.stderr.contains("403 Client Error: Forbidden"),
        "{}",
        instance.stderr
    );
    let records = machine.world.system.wait_for_audit("vm", 1).unwrap();
    assert_eq!(records.len(), 1, "403 is final");
    // Of the WireServer it asks again and again, but slowly.
    let mut ready = run(&machine, &["ready"]).spawn().unwrap();
    ready.wait_for_line("during attempt 2", TRIES).unwrap();
    assert!(ready.log().unwrap().contains("403 Client Error: Forbidden"));
    ready.kill().unwrap();
    let records = machine.world.system.wait_for_audit("vm", 3).unwrap();
    assert_eq!(records.len(), 3, "{records:?}");
    for record in &records {
        assert_eq!(
            (record.outcome, record.reason),
            (Outcome::Refused, Some(Reason::NoMatchingRule))
        );
        assert_eq!(
            record.caller.as_ref().unwrap().user.as_deref(),
            Some("root")
        );
    }
    assert_eq!(machine.world.observed("vm"), []);
    machine.end();
}

#[track_caller]
fn survives_a_restart(release: &str) {
    let mut machine = Machine::start(allowing(), release);
    machine.stop_agent();
    let mut ready = run(&machine, &["ready"]).spawn().unwrap();
    ready.wait_for_line("during attempt 1", LIMIT).unwrap();
    assert!(ready.log().unwrap().contains("Connection refused"));
    machine.start_agent();
    ready.wait_for_line("reported ready", TRIES).unwrap();
    assert!(ready.wait(LIMIT).unwrap().success());
    assert_eq!(reports(&machine).len(), 1);
    machine.end();
}

#[test]
fn cloud_init_reads_metadata_and_goal_state_and_reports_ready() {
    provisions(BOOKWORM);
}

#[test]
fn cloud_init_that_is_refused_says_so_and_asks_slowly() {
    is_refused(BOOKWORM);
}

#[test]
fn cloud_init_reports_ready_across_a_restart_of_the_agent() {
    survives_a_restart(BOOKWORM);
}

#[test]
fn slow_cloud_init_of_trixie_reads_metadata_and_goal_state_and_reports_ready() {
    provisions(TRIXIE);
}

#[test]
fn slow_cloud_init_of_trixie_that_is_refused_says_so_and_asks_slowly() {
    is_refused(TRIXIE);
}

#[test]
fn slow_cloud_init_of_trixie_reports_ready_across_a_restart_of_the_agent() {
    survives_a_restart(TRIXIE);
}
