//! Running programs: their end, their output, and the limits of waiting.

use std::time::Duration;

use latchkey_lab::ProcessError;
use latchkey_lab::id::ProcessId;

use crate::{LIMIT, lab, shell};

const SHORT: Duration = Duration::from_millis(300);

#[test]
fn program_reads_its_input_and_its_exit_code_comes_through() {
    let lab = lab(&["web"]);
    let guest = lab.guest("web").unwrap();
    let output = guest
        .command("app", "sh")
        .args(["-c", "cat; echo aside >&2; exit 42"])
        .stdin("given")
        .output(LIMIT)
        .unwrap();
    assert_eq!(output.code(), Some(42));
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_str()),
        (&b"given"[..], "aside\n")
    );
}

#[test]
fn program_that_is_missing_is_named() {
    let lab = lab(&["web"]);
    let output = lab
        .guest("web")
        .unwrap()
        .command("app", "no-such-program")
        .output(LIMIT)
        .unwrap();
    assert_eq!(output.code(), Some(127));
    assert!(
        output.stderr.contains("run `no-such-program`"),
        "{}",
        output.stderr
    );
}

#[test]
fn program_that_takes_too_long_is_killed_with_its_children() {
    let lab = lab(&["web"]);
    let guest = lab.guest("web").unwrap();
    let result = shell_result(guest, "echo begun; sleep 1000 & sleep 1000");
    assert!(
        matches!(result, Err(ProcessError::TimedOut { .. })),
        "{result:?}"
    );
    // The child was killed too; the kernel may still be at it.
    assert!(guest.cgroup().kill(LIMIT).is_ok());
    assert_eq!(guest.cgroup().processes().unwrap(), Vec::<u32>::new());
}

#[test]
fn child_left_in_the_background_does_not_hold_up_the_output() {
    let lab = lab(&["web"]);
    let output = shell(lab.guest("web").unwrap(), "app", "sleep 1000 & echo done");
    assert_eq!(output.stdout_text(), "done\n");
}

#[test]
fn line_of_a_daemon_is_awaited_and_sigterm_ends_it() {
    let lab = lab(&["web"]);
    let script = "trap 'echo bye; exit 3' TERM; echo 'ready at 80'; while :; do sleep 0.05; done";
    let mut daemon = lab
        .guest("web")
        .unwrap()
        .command("app", "sh")
        .args(["-c", script])
        .spawn()
        .unwrap();
    assert_eq!(daemon.wait_for_line("ready", LIMIT).unwrap(), "ready at 80");
    assert!(daemon.is_running().unwrap());
    daemon.terminate().unwrap();
    assert_eq!(daemon.wait(LIMIT).unwrap().code(), Some(3));
    assert_eq!(daemon.log().unwrap(), "ready at 80\nbye\n");
    daemon.terminate().unwrap();
}

#[test]
fn daemon_that_ends_or_stays_silent_is_reported_with_what_it_wrote() {
    let lab = lab(&["web"]);
    let guest = lab.guest("web").unwrap();
    let start = |script: &str| {
        guest
            .command("app", "sh")
            .args(["-c", script])
            .spawn()
            .unwrap()
    };
    let ended = start("echo port is taken; exit 1")
        .wait_for_line("ready", LIMIT)
        .unwrap_err();
    assert!(matches!(&ended, ProcessError::Ended { said, .. } if said == "port is taken\n"));
    let silent = start("echo soon; sleep 1000")
        .wait_for_line("ready", SHORT)
        .unwrap_err();
    assert!(matches!(&silent, ProcessError::Silent { .. }), "{silent}");
}

#[test]
fn process_id_is_that_of_the_program_and_its_guard_ends_it() {
    let lab = lab(&["web"]);
    let mut daemon = lab
        .guest("web")
        .unwrap()
        .command("app", "/usr/bin/python3")
        .args([
            "-uc",
            "import os, time; print('pid', os.getpid()); time.sleep(1000)",
        ])
        .spawn()
        .unwrap();
    let line = daemon.wait_for_line("pid", LIMIT).unwrap();
    assert_eq!(line, format!("pid {}", daemon.pid()));
    let process = ProcessId::of(daemon.pid()).unwrap();
    drop(daemon);
    assert!(!process.is_alive());
}

fn shell_result(
    guest: &latchkey_lab::Guest,
    script: &str,
) -> Result<latchkey_lab::Output, ProcessError> {
    guest
        .command("app", "sh")
        .args(["-c", script])
        .output(SHORT)
}
