//! A lab whose process is killed, and the lab as seen from another process.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use latchkey_lab::cgroup::Cgroup;
use latchkey_lab::id::{LabId, ProcessId};
use latchkey_lab::state::{self, LabState};

use crate::LIMIT;

/// `latchkey-lab up`, killed on drop.
struct Standing {
    child: Child,
    id: LabId,
}

impl Standing {
    fn up(guests: &[&str]) -> Self {
        let mut child = program(&["up"])
            .args(guests)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let id = first.split(' ').nth(1).unwrap().parse().unwrap();
        // It ends its greeting with the last guest; until then the pipe must stay open.
        assert_eq!(lines.take(guests.len()).count(), guests.len());
        Self { child, id }
    }

    fn enter(&self, arguments: &[&str]) -> Output {
        let id = self.id.to_string();
        program(&["enter", "--lab", &id])
            .args(arguments)
            .output()
            .unwrap()
    }

    fn places(&self) -> Vec<PathBuf> {
        let node = LabState::read(self.id).unwrap().nodes.remove(0);
        let parent = |path: PathBuf| path.parent().unwrap().to_owned();
        vec![
            parent(node.cgroup),
            parent(node.pin_dir),
            state::directory(self.id),
        ]
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            self.child.wait().unwrap();
        }
    }
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey-lab"));
    command.args(arguments);
    command
}

#[test]
fn killed_lab_takes_its_processes_along_and_sweep_removes_the_rest() {
    let mut lab = Standing::up(&["one", "two"]);
    let places = lab.places();
    let nodes = LabState::read(lab.id).unwrap().nodes;
    let entered = lab.enter(&[
        "one",
        "--",
        "sh",
        "-c",
        "setsid sleep 1000 >&- 2>&- & echo $!",
    ]);
    let pid = String::from_utf8(entered.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let mut processes: Vec<ProcessId> = nodes.iter().map(|node| node.holder).collect();
    processes.push(ProcessId::of(pid).unwrap());

    lab.child.kill().unwrap();
    lab.child.wait().unwrap();
    // The holders end by themselves: nothing is killed here, the group is only waited for.
    wait_until_empty(&places[0]);
    let left: Vec<&ProcessId> = processes.iter().filter(|p| p.is_alive()).collect();
    assert!(left.is_empty(), "{left:?}");

    // Another test may start a lab at any time, and so be the one that sweeps.
    let swept = program(&["sweep"]).output().unwrap();
    assert!(
        swept.status.success(),
        "{}",
        String::from_utf8(swept.stderr).unwrap()
    );
    let left: Vec<&PathBuf> = places.iter().filter(|path| path.exists()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn standing_lab_is_not_swept() {
    let lab = Standing::up(&["one"]);
    let swept = program(&["sweep"]).output().unwrap();
    assert!(swept.status.success());
    assert!(
        !String::from_utf8(swept.stdout)
            .unwrap()
            .contains(&lab.id.to_string())
    );
    assert!(lab.places().iter().all(|path| path.exists()));
    assert!(lab.enter(&["one", "--", "true"]).status.success());
}

#[test]
fn interrupted_lab_removes_itself() {
    let mut lab = Standing::up(&["one"]);
    let places = lab.places();
    let process = rustix::process::Pid::from_child(&lab.child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    assert!(lab.child.wait().unwrap().success());
    assert!(places.iter().all(|path| !path.exists()));
}

#[test]
fn command_entered_by_hand_runs_as_the_user_and_its_exit_code_comes_through() {
    let lab = Standing::up(&["one"]);
    let output = lab.enter(&[
        "one",
        "--user",
        "svc",
        "--",
        "sh",
        "-c",
        "id -un; hostname; exit 7",
    ]);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "svc\none\n");
    let unknown = lab.enter(&["three", "--", "true"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        String::from_utf8(unknown.stderr)
            .unwrap()
            .contains("only: host, one")
    );
}

#[test]
fn list_shows_the_nodes_of_a_standing_lab() {
    let lab = Standing::up(&["one"]);
    let output = program(&["list"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let row = text
        .lines()
        .find(|l| l.starts_with(&lab.id.to_string()) && l.contains(" one "));
    assert!(row.unwrap().contains("10.77.1.2"), "{text}");
}

#[test]
fn command_line_that_is_not_understood_exits_with_64_and_help_with_0() {
    assert_eq!(program(&["down"]).output().unwrap().status.code(), Some(64));
    assert_eq!(program(&["up"]).output().unwrap().status.code(), Some(64));
    assert_eq!(
        program(&["--help"]).output().unwrap().status.code(),
        Some(0)
    );
}

/// Waits until the group has no process left, without killing any.
fn wait_until_empty(group: &std::path::Path) {
    use latchkey_lab::wait::{Deadline, wait_for};
    use rustix::event::PollFlags;
    let deadline = Deadline::after(LIMIT);
    let Ok(events) = std::fs::File::open(group.join("cgroup.events")) else {
        return;
    };
    while std::fs::read_to_string(group.join("cgroup.events"))
        .is_ok_and(|text| text.contains("populated 1"))
    {
        let running = Cgroup::at(group.to_owned()).processes();
        assert!(!deadline.has_passed(), "still running: {running:?}");
        wait_for(
            &events,
            PollFlags::PRI,
            deadline,
            std::time::Duration::from_millis(50),
        )
        .unwrap();
    }
}
