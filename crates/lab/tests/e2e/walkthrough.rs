//! The guide to an allowlist, done as it says: its blocks are what is run here, so that it stays true.
//!
//! A block of `sh` runs in a guest, as root or as the user and in the unit that stand behind the
//! word; the block of `text` after it is what it says, with `…` for what differs each time. A block of
//! `toml` is what changes in the host's machine file.

use std::path::Path;

use latchkey_lab::binaries::{self, Binary};
use latchkey_lab::system::LIMIT;
use latchkey_lab::{GuestPlan, Output, Profile};
use latchkey_protocol::Mode;
use latchkey_record::AgentStatus;
use serde::Deserialize;
use tempfile::TempDir;

use crate::world::World;

const GUIDE: &str = include_str!("../../../../docs/guide/allowlist.md");

/// Where the guide says that the audit log is.
const AUDIT_FILE: &str = "/var/log/latchkey/audit.jsonl";

/// What stands for text that differs each time.
const ANYTHING: char = '…';

/// One thing that the guide says to do.
#[derive(Debug)]
enum Step {
    Run {
        user: String,
        unit: Option<String>,
        script: String,
        says: Option<String>,
    },
    Change(Machine),
}

/// What changes in a machine file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Machine {
    imds: Endpoint,
    wireserver: Endpoint,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoint {
    mode: Mode,
    profile: Option<String>,
}

/// Returns the blocks of a text: what stands behind the fence, and what is in it.
fn blocks(text: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let body = lines.by_ref().take_while(|line| *line != "```");
            blocks.push((kind, body.map(|line| format!("{line}\n")).collect()));
        }
    }
    blocks
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for (kind, body) in blocks(text) {
        let mut words = kind.split_whitespace();
        match words.next() {
            Some("sh") => steps.push(Step::Run {
                user: words.next().unwrap_or("root").to_owned(),
                unit: words.next().map(str::to_owned),
                script: body,
                says: None,
            }),
            Some("text") => match steps.last_mut() {
                Some(Step::Run { says, .. }) if says.is_none() => *says = Some(body),
                _ => panic!("nothing says this: {body}"),
            },
            Some("toml") => steps.push(Step::Change(toml::from_str(&body).unwrap())),
            other => panic!("nobody knows what to do with {other:?}"),
        }
    }
    steps
}

/// Whether a line is as the guide shows it.
fn is_like(line: &str, shown: &str) -> bool {
    let parts: Vec<_> = shown.split(ANYTHING).collect();
    let [first, between @ .., last] = parts.as_slice() else {
        return line == shown;
    };
    let Some(rest) = line.strip_prefix(first) else {
        return false;
    };
    let rest = between
        .iter()
        .try_fold(rest, |rest, part| Some(rest.split_once(part)?.1));
    rest.is_some_and(|rest| rest.ends_with(last))
}

/// Whether a program said this, line by line; a line of `…` alone stands for any number of them.
fn says(said: &str, shown: &str) -> bool {
    let mut lines = said.lines().peekable();
    let mut may_skip = false;
    for shown in shown.lines() {
        if shown.trim().chars().eq([ANYTHING]) {
            may_skip = true;
            continue;
        }
        while may_skip && lines.peek().is_some_and(|line| !is_like(line, shown)) {
            lines.next();
        }
        may_skip = false;
        if !lines.next().is_some_and(|line| is_like(line, shown)) {
            return false;
        }
    }
    may_skip || lines.next().is_none()
}

/// A guest, and the folder in which its operator works.
struct Walk {
    world: World,
    folder: TempDir,
}

impl Walk {
    fn start() -> Self {
        // Of another name than what the guide begins with, so that the agent is seen to follow.
        let plan = GuestPlan::audit("vm")
            .with_profile(Profile::allow("before"))
            .with_wireserver_profile(Profile::allow("before"));
        let world = World::start([plan]);
        let folder = tempfile::tempdir_in(world.guest("vm").dir()).unwrap();
        Self { world, folder }
    }

    fn go(&mut self, step: &Step) {
        match step {
            Step::Run {
                user,
                unit,
                script,
                says: shown,
            } => {
                let output = self.run(user, unit.as_deref(), script);
                assert!(output.success(), "{script}{output:?}");
                let said = output.stdout_text() + &output.stderr;
                if let Some(shown) = shown {
                    assert!(
                        says(&said, shown),
                        "{script}should say\n{shown}and says\n{said}"
                    );
                }
            }
            Step::Change(machine) => self.change(machine),
        }
    }

    fn run(&self, user: &str, unit: Option<&str>, script: &str) -> Output {
        let guest = self.world.guest("vm");
        let programs = binaries::find(Binary::Cli).unwrap();
        let programs = programs.parent().unwrap().display().to_string();
        let audit = self.world.system.audit_file("vm").unwrap();
        let script = script.replace(AUDIT_FILE, &audit.display().to_string());
        let mut shell = guest
            .command(user, "sh")
            .args(["-e", "-c", &script])
            .env("PATH", format!("{programs}:/usr/sbin:/usr/bin:/sbin:/bin"));
        if user == "root" {
            shell = shell.current_dir(self.folder.path());
        }
        let cgroup = unit.map(|unit| {
            let path = format!("system.slice/{unit}");
            guest.cgroup().create_below(&path).unwrap()
        });
        if let Some(cgroup) = &cgroup {
            shell = shell.in_cgroup(cgroup);
        }
        let before = self.world.system.audit("vm").unwrap().len();
        let output = shell.output(LIMIT).unwrap();
        // What the guide shows next is what the log then holds.
        let asked = script.matches("http://").count();
        self.world
            .system
            .wait_for_audit("vm", before + asked)
            .unwrap();
        output
    }

    /// Changes the machine file and waits until the agent follows.
    fn change(&mut self, machine: &Machine) {
        let before = self.world.system.status("vm").unwrap().unwrap();
        let profile = |endpoint: &Endpoint| match &endpoint.profile {
            Some(file) => {
                // What is copied to the host's folder is read where it was made.
                let name = Path::new(file).file_name().unwrap();
                let text = std::fs::read(self.folder.path().join(name)).unwrap();
                Profile::written(file, serde_json::from_slice(&text).unwrap())
            }
            None => Profile::allow("none"),
        };
        let (imds, wireserver) = (profile(&machine.imds), profile(&machine.wireserver));
        assert_eq!(
            machine.imds.mode, machine.wireserver.mode,
            "one plan, one mode"
        );
        let mode = machine.imds.mode;
        let change = |plan: GuestPlan| {
            let plan = plan.with_profile(imds).with_wireserver_profile(wireserver);
            plan.with_mode(mode)
        };
        self.world.system.change("vm", change).unwrap();
        let follows = |status: &AgentStatus| {
            let mut pairs = status.endpoints.iter().zip(&before.endpoints);
            pairs.all(|(now, then)| now.mode == mode && now.rules_hash != then.rules_hash)
        };
        let system = &mut self.world.system;
        system
            .wait_for_status("vm", "what the guide changed", follows)
            .unwrap();
    }
}

#[test]
fn allowlist_is_made_and_enforced_as_the_guide_says() {
    let mut walk = Walk::start();
    let steps = steps(GUIDE);
    assert!(steps.len() > 8, "{steps:?}");
    for step in &steps {
        walk.go(step);
    }
    let Walk { world, folder } = walk;
    folder.close().unwrap();
    let records = world.system.audit("vm").unwrap().len();
    world.end(&[("vm", records)]);
}

#[test]
fn output_is_held_against_what_the_guide_shows() {
    for (said, shown, expected) in [
        ("a 1 b\n", "a … b\n", true),
        ("a 1 b\n", "a … c\n", false),
        ("a 1 b c\n", "a … b\n", false),
        ("a 1 b b\n", "a … b\n", true),
        ("a\n", "a … a\n", false),
        ("a 1\n", "a …\n", true),
        ("a\nb\n", "a\n", false),
        ("a\n", "a\nb\n", false),
        ("a\nx\ny\nb\n", "a\n…\nb\n", true),
        ("a\nb\n", "a\n…\n", true),
        ("a\nb\n", "…\nc\n", false),
    ] {
        assert_eq!(says(said, shown), expected, "{said:?} {shown:?}");
    }
}
