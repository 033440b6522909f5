//! The program's command line: what is wrong with a configuration, all of it, and where.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_latchkey-agent");

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

#[test]
fn check_names_every_problem_with_file_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.toml");
    let path = path.to_str().unwrap();
    std::fs::write(path, "").unwrap();
    assert!(run(&["--config", path, "--check-config"]).status.success());
    let text = "initial_mode = \"off\"\n[limits]\nmax_connections = 0\n[listener]\naddress = \"0.0.0.0:3080\"\n";
    std::fs::write(path, text).unwrap();
    for arguments in [
        &["--config", path, "--check-config"][..],
        &["--config", path],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        for place in ["1:16", "3:19", "5:11"] {
            assert!(said.contains(&format!("\n{path}:{place}: ")), "{said}");
        }
    }
}

#[test]
fn configuration_that_is_not_there_and_wrong_arguments_have_their_own_exit_codes() {
    assert_eq!(run(&["--config", "/no/such/file"]).status.code(), Some(3));
    assert_eq!(run(&["--nonsense"]).status.code(), Some(64));
    assert!(run(&["--version"]).status.success());
}
