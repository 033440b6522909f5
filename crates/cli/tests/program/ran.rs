//! One run of the program.

use std::io::Write as _;
use std::process::{Command, Stdio};

use tempfile::NamedTempFile;

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the program with an input.
pub(crate) fn latchkey(arguments: &[&str], input: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_latchkey"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // A program that refuses its arguments reads nothing.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Writes a file for the program to read.
pub(crate) fn written(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// Returns a profile that lets one user read `/metadata/instance`, and nobody anything else.
pub(crate) fn item(mode: &str, user: &str) -> String {
    format!(
        r#"{{
  "defaultAccess": "Deny",
  "mode": "{mode}",
  "id": "one",
  "rules": {{
    "privileges": [{{ "name": "instance", "path": "/metadata/instance" }}],
    "roles": [{{ "name": "reader", "privileges": ["instance"] }}],
    "identities": [{{ "name": "who", "userName": "{user}" }}],
    "roleAssignments": [{{ "role": "reader", "identities": ["who"] }}]
  }}
}}
"#
    )
}
