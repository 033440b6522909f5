//! The shipped profiles against the requests that real clients sent and that others would: their golden
//! tests, for each pack alone and for all joined into one profile.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is the test's"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn latchkey(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_latchkey"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Returns the files of this ending in the folders of the packs.
fn files(ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles");
    let entries = fs::read_dir(folder).unwrap();
    let packs = entries.map(|entry| entry.unwrap().path());
    let within = packs.filter(|path| path.is_dir());
    let all = within.flat_map(|pack| fs::read_dir(pack).unwrap());
    let paths = all.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    files.sort();
    files
}

#[track_caller]
fn assert_holds(golden: &Path) {
    let output = latchkey(&["profile", "test", golden.to_str().unwrap()]);
    let said = std::str::from_utf8(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}{output:?}");
    assert!(!said.contains(": 0 cases"), "{said}");
}

#[test]
fn every_pack_allows_what_its_program_sends_and_refuses_others() {
    let golden = files("yaml");
    assert_eq!(golden.len(), 6, "{golden:?}");
    golden.iter().for_each(|file| assert_holds(file));
}

#[test]
fn packs_joined_answer_as_each_alone() {
    let folder = tempfile::tempdir().unwrap();
    let all = ["cloud-init", "linux-agent", "managed-identity"];
    for endpoint in ["imds", "wireserver"] {
        let joined = [
            &["profile", "starter"][..],
            &all,
            &["--user", "app", "--endpoint", endpoint],
        ];
        let output = latchkey(&joined.concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let file = folder.path().join(endpoint).with_extension("json");
        fs::write(file, output.stdout).unwrap();
    }
    for (number, golden) in files("yaml").iter().enumerate() {
        // The profile that a file of tests names lies beside it.
        let beside = folder.path().join(format!("{number}.yaml"));
        fs::copy(golden, &beside).unwrap();
        assert_holds(&beside);
    }
}

#[test]
fn shipped_profiles_are_formatted_and_have_nothing_that_lint_complains_of() {
    for file in files("json") {
        let file = file.to_str().unwrap();
        let output = latchkey(&["profile", "lint", "--strict", file]);
        assert_eq!(output.status.code(), Some(0), "{file}: {output:?}");
        let output = latchkey(&["profile", "fmt", "--check", file]);
        assert_eq!(output.status.code(), Some(0), "{file}: {output:?}");
    }
}

#[test]
fn printed_profiles_are_formatted_too() {
    let folder = tempfile::tempdir().unwrap();
    for (packs, endpoint) in [
        (&["cloud-init"][..], "imds"),
        (&["cloud-init", "linux-agent"], "wireserver"),
        (
            &["linux-agent", "managed-identity", "--user", "app"],
            "imds",
        ),
    ] {
        let arguments = [&["profile", "starter", "--endpoint", endpoint], packs].concat();
        let output = latchkey(&arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let file = folder.path().join("starter.json");
        fs::write(&file, output.stdout).unwrap();
        let output = latchkey(&["profile", "fmt", "--check", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{packs:?}: {output:?}");
    }
}

#[test]
fn list_names_every_pack() {
    let output = latchkey(&["profile", "starter"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = std::str::from_utf8(&output.stdout).unwrap();
    let names: Vec<_> = said
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names, ["cloud-init", "linux-agent", "managed-identity"]);
}

#[test]
fn service_that_is_not_named_gets_no_profile() {
    for arguments in [
        &["managed-identity", "--endpoint", "imds"][..],
        &["cloud-init", "--endpoint", "imds", "--user", "app"],
        &[
            "managed-identity",
            "--endpoint",
            "wireserver",
            "--user",
            "app",
        ],
        &[
            "managed-identity",
            "--endpoint",
            "imds",
            "--unit",
            "app.service",
        ],
        &["cloud-init"],
        &["--endpoint", "imds"],
        &["nobody", "--endpoint", "imds"],
    ] {
        let output = latchkey(&[&["profile", "starter"], arguments].concat());
        assert_eq!(output.status.code(), Some(64), "{arguments:?} {output:?}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
    }
}
