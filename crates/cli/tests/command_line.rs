//! The program's exit codes and what it says, as a person or script meets them.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is the test's"
)]

use std::fs::File;
use std::process::{Command, Output};

fn latchkey(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_latchkey"))
        .args(arguments)
        .output()
        .unwrap()
}

fn said(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn version_and_help_are_answers() {
    for (argument, word) in [("--version", "latchkey "), ("--help", "doctor")] {
        let output = latchkey(&[argument]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(said(&output.stdout).contains(word), "{output:?}");
    }
}

#[test]
fn wrong_command_line_is_code_64() {
    for arguments in [
        &[][..],
        &["doctor"],
        &["doctor", "--coverage", "--format", "xml"],
        &["doctor", "--coverage", "--pins", "/a", "--config", "/b"],
    ] {
        let output = latchkey(arguments);
        assert_eq!(output.status.code(), Some(64), "{output:?}");
        assert_eq!(said(&output.stdout), "", "{arguments:?}");
    }
}

#[test]
fn machine_without_an_agent_is_a_failure_that_names_the_folder() {
    let output = latchkey(&["doctor", "--coverage", "--pins", "/nowhere"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let complaint = "latchkey: /nowhere holds no pins of an agent, so nothing is protected here\n";
    assert_eq!(said(&output.stderr), complaint);
}

#[test]
fn configuration_that_cannot_be_read_is_a_failure() {
    let output = latchkey(&["doctor", "--coverage", "--config", "/nowhere/agent.toml"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        said(&output.stderr).contains("/nowhere/agent.toml"),
        "{output:?}"
    );
}

#[test]
fn answer_that_cannot_be_written_is_a_failure_that_says_so() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_latchkey"))
        .args(["profile", "schema"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let complaint = "latchkey: write the answer: No space left on device";
    assert!(said(&output.stderr).starts_with(complaint), "{output:?}");
}

#[test]
fn file_that_is_no_text_is_invalid_and_says_so() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, [b'{', 0xff]).unwrap();
    let path = file.path().to_str().unwrap();
    for arguments in [
        &["profile", "show", path][..],
        &["profile", "lint", path],
        &["profile", "test", path],
        &["signature", "--key-hex", "4A40", "--request", path],
    ] {
        let output = latchkey(arguments);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        // Lint's findings are its answer.
        let complaint = [said(&output.stdout), said(&output.stderr)].concat();
        assert!(complaint.contains(path), "{complaint}");
        assert!(complaint.contains("UTF-8"), "{complaint}");
    }
}
