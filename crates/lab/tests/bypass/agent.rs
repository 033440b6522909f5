//! The agent stops, comes late, or loses its hold; and callers who ask for more than their share.

use std::convert::Infallible;

use latchkey_lab::system::LIMIT;
use latchkey_lab::{GuestPlan, wait};
use latchkey_protocol::Mode;
use rustix::process::Signal;

use crate::trial::{GUEST, Programs, Report, Trial, test_name, trial};
use crate::world::World;

/// Connects again and again, without a request, until this is how far it comes. Returns that, and
/// how many connections there were before.
#[track_caller]
fn wait_until(trial: &Trial, is_reached: impl Fn(&Report) -> bool) -> (Report, usize) {
    let mut before = 0;
    let found = wait::until(LIMIT, || {
        let report = trial.call("app", &["stream", "silent"]);
        if is_reached(&report) {
            return Ok(Some(report));
        }
        before += 1;
        Ok::<_, Infallible>(None)
    });
    let Ok(report) = found;
    (report.expect("it comes that far"), before)
}

#[test]
fn agent_that_stands_still_is_taken_for_gone() {
    let mut trial = trial!();
    let system = &mut trial.world.system;
    system.signal_agent(GUEST, Signal::STOP).unwrap();
    let (report, before) = wait_until(&trial, |report| report.error.is_some());
    let system = &mut trial.world.system;
    system.signal_agent(GUEST, Signal::CONT).unwrap();
    // Those that had waited for it were given up, and have no flow record any more.
    trial.world.record(GUEST, before);
    trial.after(before).concludes(&report, "app");
}

#[test]
fn connection_from_before_the_agent_is_ended() {
    let mut trial = trial!();
    trial.world.system.kill_agent(GUEST).unwrap();
    trial.prepare(r#"rm -r "$PINS"/*"#);
    let mut caller = trial.start("app", &["late"]);
    caller.wait_for_line("direct", LIMIT).unwrap();
    restart(&mut trial);
    caller.signal(Signal::USR1).unwrap();
    let report = trial.report_of(&mut caller);
    trial.concludes(&report, "app");
}

#[test]
fn connection_let_through_in_audit_ends_with_audit() {
    let programs = Programs::new();
    let plan = programs.plan().with_mode(Mode::Audit);
    let mut trial = Trial::within(test_name!(), programs, World::start([plan]));
    trial.world.system.kill_agent(GUEST).unwrap();
    let mut caller = trial.start("app", &["late"]);
    caller.wait_for_line("direct", LIMIT).unwrap();
    let to_enforce = |plan: GuestPlan| plan.with_mode(Mode::Enforce);
    trial.world.system.change(GUEST, to_enforce).unwrap();
    restart(&mut trial);
    caller.signal(Signal::USR1).unwrap();
    let report = trial.report_of(&mut caller);
    trial.concludes(&report, "app");
}

fn restart(trial: &mut Trial) {
    trial.world.system.start_agent(GUEST).unwrap();
    trial.world.system.wait_until_served(GUEST).unwrap();
    // It ends old connections once it knows the mode, which may be a moment later.
    trial.prepare(
        r#"while ss -Htn state established dst 169.254.169.254 | grep -q .; do sleep 0.05; done"#,
    );
}

#[test]
fn programs_that_root_detached_come_back() {
    let trial = trial!();
    trial.prepare(r#""$OTHER" detach "$PINS"/link_*"#);
    wait_until(&trial, |report| report.step == "redirected");
    // One that came before may have left before the agent took it up, which is recorded.
    let report = trial.call("app", &["stream"]);
    trial.concludes_among_others(&report, "app");
}

#[test]
fn programs_whose_pins_root_removed_stay() {
    let trial = trial!();
    trial.prepare(r#"rm -r "$PINS"/*"#);
    wait_until(&trial, |report| report.step == "redirected");
    // One that came before may have left before the agent took it up, which is recorded.
    let report = trial.call("app", &["stream"]);
    trial.concludes_among_others(&report, "app");
}

/// Begins many connections in a control group of its own, as another user, and leaves them unused.
const FLOOD: &str = r#"
mkdir -p "$GROUP/greedy"
echo 0 >"$GROUP/greedy/cgroup.procs"
exec setpriv --reuid 1003 --regid 2003 --clear-groups "$OTHER" flood 5000
"#;

#[test]
fn control_group_that_floods_keeps_no_other_out() {
    let trial = trial!();
    let command = trial.command("root", "/bin/sh").args(["-euc", FLOOD]);
    let mut flood = command.spawn().unwrap();
    flood.wait_for_line("flooded", LIMIT).unwrap();
    let report = trial.call("app", &["stream"]);
    flood.kill().unwrap();
    trial.concludes_among_others(&report, "app");
}

#[test]
fn control_group_that_floods_is_refused() {
    let trial = trial!();
    let command = trial.command("root", "/bin/sh").args(["-euc", FLOOD]);
    let mut flood = command.spawn().unwrap();
    let line = flood.wait_for_line("flooded", LIMIT).unwrap();
    flood.kill().unwrap();
    let begun = line.split(' ').nth(1).unwrap();
    assert!(begun.parse::<u32>().unwrap() < 5_000, "{line}");
    let report = Report::read_text(&flood.log().unwrap()).unwrap();
    trial.concludes_among_others(&report, "mallory");
}
