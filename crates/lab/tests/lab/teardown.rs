//! What is left of a lab that ends: nothing.

use std::process::{Command, Stdio};

use latchkey_lab::id::ProcessId;
use latchkey_lab::pins::BPF_ROOT;
use latchkey_lab::state::RUN_DIRECTORY;

use crate::leftovers::Traces;
use crate::{LIMIT, lab, shell};

#[test]
fn dropped_lab_leaves_no_process_group_pin_or_file() {
    let lab = lab(&["one", "two"]);
    let mut traces = Traces::of(&lab);
    let guest = lab.guest("one").unwrap();
    // A program that gets away from its parent, its session and its process group.
    let output = shell(guest, "app", "setsid sleep 1000 >/dev/null & echo $!");
    let pid = output.stdout_text().trim().parse().unwrap();
    traces.processes.push(ProcessId::of(pid).unwrap());
    // A control group and a pin directory of the guest's own making.
    std::fs::create_dir_all(guest.cgroup().path().join("inner/most")).unwrap();
    std::fs::create_dir_all(guest.pin_dir().join("links")).unwrap();
    drop(lab);
    traces.assert_gone();
}

#[test]
fn process_that_outlives_its_lab_ends_with_it() {
    let lab = lab(&["one"]);
    let traces = Traces::of(&lab);
    let mut daemon = lab
        .guest("one")
        .unwrap()
        .command("app", "sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    lab.stop().unwrap();
    assert!(
        daemon.wait(LIMIT).unwrap().code().is_none(),
        "killed by a signal"
    );
    traces.assert_gone();
}

#[test]
fn lab_that_fails_half_way_leaves_nothing() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey-lab"));
    // Without `ip` the host's namespaces stand before anything fails.
    let child = command
        .args(["up", "one"])
        .env("PATH", "/nonexistent")
        .stderr(Stdio::piped());
    let child = child.spawn().unwrap();
    let prefix = format!("{}-", child.id());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("is iproute2 installed?"), "{said}");
    let groups = latchkey_lab::cgroup::root().unwrap();
    for place in [RUN_DIRECTORY, BPF_ROOT, groups.to_str().unwrap()] {
        for entry in std::fs::read_dir(place).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let name = name.strip_prefix("latchkey-lab-").unwrap_or(&name);
            assert!(!name.starts_with(&prefix), "{place}/{name}");
        }
    }
}
