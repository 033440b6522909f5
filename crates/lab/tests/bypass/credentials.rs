//! Users within a process: set-user-id programs, dropped privileges, threads that differ.

use crate::trial::trial;
use crate::world::GOAL_STATE;

#[test]
fn set_user_id_program_is_its_owner() {
    let trial = trial!();
    trial.prepare(r#"chmod 4755 "$OTHER""#);
    let report = trial.call("mallory", &["stream"]);
    trial.concludes(&report, "root");
}

#[test]
fn root_that_gave_up_its_effective_user_is_not_root() {
    let trial = trial!().asking_for(GOAL_STATE);
    let report = trial.script(
        "root",
        r#"export HOST=168.63.129.16; exec "$OTHER" dropped 1001 to=168.63.129.16"#,
    );
    trial.concludes(&report, "app");
}

#[test]
fn thread_that_became_another_user_is_refused() {
    trial!().proves("root", &["thread", "worker", "1001"]);
}

#[test]
fn thread_that_stayed_root_behind_its_process_is_refused() {
    trial!().proves("root", &["thread", "main", "1003"]);
}
