//! Azure's Linux agent (waagent): goal state, certificates, status and telemetry.

use std::time::Duration;

use latchkey_lab::system::LIMIT;
use latchkey_lab::{Command, Process};
use latchkey_protocol::Reason;
use latchkey_record::audit::Outcome;

use super::{BOOKWORM, Machine, VM, allowing, refusing};

/// Starts the agent as its daemon would.
const RUNNER: &str = include_str!("linux_agent.sh");

/// How often it looks for a new goal state and reports, in seconds; telemetry waits 5 s.
const PERIOD: &str = "6";

/// How long it may take to do some rounds of its work.
const ROUNDS: Duration = Duration::from_secs(90);

/// What it asks for in its first round: the method, and what the target contains.
pub(super) const FIRST_ROUND: [(&str, &str); 11] = [
    ("GET", "/?comp=versions"),
    ("GET", "/machine/?comp=goalstate"),
    ("GET", "comp=config&type=hostingEnvironmentConfig"),
    ("GET", "comp=config&type=sharedConfig"),
    ("GET", "comp=certificates"),
    ("GET", "comp=config&type=extensionsConfig"),
    ("GET", "/metadata/instance/compute?"),
    ("GET", "/health"),
    ("POST", "/HealthService"),
    ("POST", "/machine?comp=telemetrydata"),
    STATUS,
];

/// The upload of its status, by way of the `HostGAPlugin`.
const STATUS: (&str, &str) = ("PUT", "/status");

pub(super) fn command(machine: &Machine) -> Command {
    let shell = machine.root.command("root", "sh");
    shell.args(["-c", RUNNER, "sh", PERIOD])
}

fn start(machine: &Machine) -> Process {
    command(machine).spawn().unwrap()
}

/// Returns how often the host has accepted such a call.
fn accepted(machine: &Machine, (method, part): (&str, &str)) -> usize {
    let seen = machine.world.observed(VM).into_iter();
    seen.filter(|seen| {
        let target = seen.target.as_deref().unwrap_or_default();
        seen.accepted && seen.method.as_deref() == Some(method) && target.contains(part)
    })
    .count()
}

/// Waits until each of these calls was accepted so often.
#[track_caller]
pub(super) fn wait_for_rounds(machine: &Machine, calls: &[(&str, &str)], count: usize) {
    for &call in calls {
        let awaited = format!("{call:?} {count} times");
        machine.wait_until(&awaited, ROUNDS, |machine| accepted(machine, call) >= count);
    }
}

/// Each certificate with its private key, both as the agent has decrypted them.
const COMPARE_KEYS: &str = r#"
set -e
cd /var/lib/waagent
ls ./*.crt
for certificate in ./*.crt; do
    openssl x509 -in "$certificate" -noout -pubkey >/tmp/public
    openssl pkey -in "${certificate%.crt}.prv" -pubout | cmp - /tmp/public
done
"#;

#[test]
fn linux_agent_gets_its_goal_state_and_reports_status_and_telemetry() {
    let machine = Machine::start(allowing(), BOOKWORM);
    let agent = start(&machine);
    wait_for_rounds(&machine, &FIRST_ROUND, 1);
    drop(agent);
    let log = machine.root.read("/var/log/waagent.log").unwrap();
    assert!(log.contains("Fetch goal state completed"), "{log}");
    assert!(!log.contains("Status Code 403"), "{log}");
    machine.end();
}

#[test]
fn slow_linux_agent_decrypts_its_certificates_and_reports_again_and_again() {
    let machine = Machine::start(allowing().with_certificate("extensions"), BOOKWORM);
    let agent = start(&machine);
    wait_for_rounds(&machine, &FIRST_ROUND, 1);
    wait_for_rounds(&machine, &[STATUS], 5);
    let compare = machine
        .root
        .command("root", "sh")
        .args(["-c", COMPARE_KEYS]);
    let compared = compare.output(LIMIT).unwrap();
    assert!(compared.success(), "{compared:?}");
    drop(agent);
    machine.end();
}

#[test]
fn slow_linux_agent_that_is_refused_asks_once_a_second_and_gets_nothing() {
    /// It takes 403 for throttling and tries as often as this.
    const TRIES: usize = 25;
    let machine = Machine::start(refusing(), BOOKWORM);
    let mut agent = start(&machine);
    machine.wait_until("its tries", ROUNDS, |machine| {
        machine.world.system.audit(VM).unwrap().len() >= TRIES
    });
    assert!(agent.is_running().unwrap());
    let records = machine.world.system.audit(VM).unwrap();
    let refused = (Outcome::Refused, Some(Reason::NoMatchingRule));
    assert!(
        records.iter().all(|r| (r.outcome, r.reason) == refused),
        "{records:?}"
    );
    let span = records[TRIES - 1].time.duration_since(records[0].time);
    assert!(span.as_secs() >= 20, "{TRIES} tries within {span:?}");
    assert_eq!(machine.observed(), super::Targets::new());
    let log = machine.root.read("/var/log/waagent.log").unwrap();
    assert!(log.contains("Status Code 403"), "{log}");
    drop(agent);
    machine.end();
}

#[test]
fn slow_linux_agent_goes_on_after_a_restart_of_the_agent() {
    const GOAL_STATE: (&str, &str) = ("GET", "/machine/?comp=goalstate");
    let mut machine = Machine::start(allowing(), BOOKWORM);
    let agent = start(&machine);
    wait_for_rounds(&machine, &[GOAL_STATE], 1);
    machine.stop_agent();
    machine.wait_until("it sees that nobody listens", ROUNDS, |machine| {
        let log = machine.root.read("/var/log/waagent.log").unwrap();
        log.contains("Connection refused")
    });
    let before = [GOAL_STATE, STATUS].map(|call| (call, accepted(&machine, call)));
    machine.start_agent();
    for (call, count) in before {
        wait_for_rounds(&machine, &[call], count + 2);
    }
    drop(agent);
    machine.end();
}
