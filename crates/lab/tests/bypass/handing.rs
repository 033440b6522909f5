//! Connections that change hands: by exec, by descriptors that are passed or taken, by a reused number.

use latchkey_lab::Process;
use latchkey_lab::system::LIMIT;
use rustix::process::Signal;

use crate::trial::{GUEST, Trial, trial};
use crate::world::TOKEN;

/// Runs a caller while the agent stands still, until it says that it has done its trick, and
/// returns what it says once the agent goes on.
#[track_caller]
fn while_the_agent_looks_away(
    trial: &mut Trial,
    user: &str,
    arguments: &[&str],
    done: &str,
) -> crate::trial::Report {
    let system = &mut trial.world.system;
    system.signal_agent(GUEST, Signal::STOP).unwrap();
    let mut caller: Process = trial.start(user, arguments);
    caller.wait_for_line(done, LIMIT).unwrap();
    let system = &mut trial.world.system;
    system.signal_agent(GUEST, Signal::CONT).unwrap();
    trial.report_of(&mut caller)
}

#[test]
fn program_that_becomes_the_allowed_one_after_connecting_is_refused() {
    let mut trial = trial!().asking_for(TOKEN);
    let allowed = trial.allowed();
    let arguments = ["exec", "before", allowed.to_str().unwrap()];
    let report = while_the_agent_looks_away(&mut trial, "app", &arguments, "speaking");
    trial.concludes(&report, "app");
}

#[test]
fn allowed_program_that_becomes_another_is_refused() {
    let trial = trial!().asking_for(TOKEN).after(1);
    let report = trial.script("app", r#"exec "$ALLOWED" exec after "$OTHER""#);
    trial.concludes(&report, "app");
}

#[test]
fn allowed_program_that_executes_itself_again_is_refused() {
    let trial = trial!().asking_for(TOKEN).after(1);
    let report = trial.script("app", r#"exec "$ALLOWED" exec after "$ALLOWED""#);
    trial.concludes(&report, "app");
}

#[test]
fn connection_passed_to_another_user_is_refused() {
    let trial = trial!().asking_for(TOKEN).after(1);
    let report = trial.script("root", r#"exec "$OTHER" give "$ALLOWED" 1003 "$OTHER""#);
    trial.concludes(&report, "app");
}

#[test]
fn connection_passed_on_with_a_call_that_never_returns_is_refused() {
    let trial = trial!().asking_for(TOKEN).after(1);
    let report = trial.script(
        "root",
        r#"STUFFED=1 exec "$OTHER" give "$ALLOWED" 1003 "$OTHER""#,
    );
    trial.concludes_among_others(&report, "app");
}

#[test]
fn connection_whose_maker_ended_is_refused() {
    let trial = trial!().asking_for(TOKEN).after(1);
    let report = trial.script(
        "root",
        r#"exec "$OTHER" give "$ALLOWED" 1003 "$OTHER" quit"#,
    );
    trial.concludes(&report, "app");
}

#[test]
fn connection_taken_out_of_the_allowed_program_is_refused() {
    let trial = trial!().asking_for(TOKEN).after(1);
    let mut holder = trial
        .command("app", trial.allowed())
        .arg("hold")
        .spawn()
        .unwrap();
    let line = holder.wait_for_line("holding ", LIMIT).unwrap();
    let descriptor = line.strip_prefix("holding ").unwrap();
    let report = trial.call("app", &["steal", &holder.pid().to_string(), descriptor]);
    holder.kill().unwrap();
    trial.concludes(&report, "app");
}

#[test]
fn process_that_got_the_number_of_one_that_ended_is_not_taken_for_it() {
    let mut trial = trial!();
    let allowed = trial.allowed();
    let arguments = ["reuse", "1003", "1001", allowed.to_str().unwrap()];
    let report = while_the_agent_looks_away(&mut trial, "root", &arguments, "reused");
    trial.concludes(&report, "app");
}
