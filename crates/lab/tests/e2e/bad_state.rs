//! The agent's own files are torn, readable by others, links, or cannot be written.
//!
//! What cannot be trusted is not used, and what an agent cannot do without keeps it from starting;
//! either way nothing gets out that should not. Once the file is right again, so is the agent.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use latchkey_lab::GuestPlan;
use latchkey_lab::curl::Curl;
use latchkey_protocol::Mode;
use latchkey_record::AgentStatus;
use latchkey_record::audit::Outcome;
use latchkey_record::observation::SignatureFinding;
use rustix::process::Signal;

use crate::world::{GOAL_STATE, INSTANCE, World};

/// One way to spoil a file that holds something.
type Damage = fn(&Path);

fn tear(path: &Path) {
    let text = fs::read(path).unwrap();
    fs::write(path, &text[..text.len() / 2]).unwrap();
}

fn empty(path: &Path) {
    fs::write(path, "").unwrap();
}

fn share(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
}

fn give_away(path: &Path) {
    chown(path, Some(1001), None).unwrap();
}

/// Puts a link to a good copy in the place of the file.
fn link(path: &Path) {
    let copy = path.with_extension("copy");
    fs::rename(path, &copy).unwrap();
    symlink(&copy, path).unwrap();
}

fn make_folder(path: &Path) {
    fs::remove_file(path).unwrap();
    fs::create_dir(path).unwrap();
}

/// A file as it was, to be put back.
struct Original {
    path: PathBuf,
    content: Vec<u8>,
}

impl Original {
    fn of(path: PathBuf) -> Self {
        let content = fs::read(&path).unwrap();
        Self { path, content }
    }

    fn put_back(&self) {
        if self.path.is_dir() {
            fs::remove_dir(&self.path).unwrap();
        } else {
            fs::remove_file(&self.path).unwrap();
        }
        fs::write(&self.path, &self.content).unwrap();
        fs::set_permissions(&self.path, Permissions::from_mode(0o600)).unwrap();
    }
}

fn only_key_file(world: &World, guest: &str) -> PathBuf {
    let folder = world.system.key_folder(guest).unwrap();
    let mut files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let path = files.next().unwrap();
    assert_eq!(files.next(), None);
    path
}

#[test]
fn key_file_that_cannot_be_trusted_is_never_used_nor_lost() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    let key = world.system.wait_until_served("vm").unwrap().channel.key;
    let original = Original::of(only_key_file(&world, "vm"));
    let damages: [Damage; 6] = [tear, empty, share, give_away, link, make_folder];
    for damage in damages {
        assert!(world.system.terminate_agent("vm").unwrap().success());
        damage(&original.path);
        world.system.start_agent("vm").unwrap();
        world
            .system
            .wait_for_agent_line("vm", "key file is not used")
            .unwrap();
        // The host has latched this key, and gives no other while nobody asks for one there.
        let is_refused = |status: &AgentStatus| {
            let problem = status.channel.problem.as_deref().unwrap_or_default();
            problem.contains("403") && status.channel.key.is_none() && !status.healthy
        };
        world
            .system
            .wait_for_status("vm", "a refused key", is_refused)
            .unwrap();
        original.put_back();
        world.system.signal_agent("vm", Signal::HUP).unwrap();
        let status = world.system.wait_until_served("vm").unwrap();
        assert_eq!(status.channel.key, key);
        world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    }
    let observations = world.system.observations().unwrap();
    let issued = observations
        .iter()
        .filter(|seen| seen.target.as_deref() == Some("/secure-channel/key") && seen.accepted);
    assert_eq!(issued.count(), 1, "one key for all its life");
    for seen in world.wait_for_observed("vm", damages.len()) {
        assert_eq!(seen.signature, SignatureFinding::Valid);
    }
    world.end(&[("vm", damages.len())]);
}

#[test]
fn spoilt_key_file_is_healed_by_a_new_key_when_the_host_asks_for_one() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    let old = world.system.wait_until_served("vm").unwrap().channel.key;
    assert!(world.system.terminate_agent("vm").unwrap().success());
    tear(&only_key_file(&world, "vm"));
    world.system.rotate_key("vm").unwrap();
    world.system.start_agent("vm").unwrap();
    let new = world.system.wait_until_served("vm").unwrap().channel;
    assert_eq!(new.incarnation, Some(2));
    assert_ne!(new.key, old);
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    world.end(&[("vm", 1)]);
}

/// Starts an agent with a spoilt file, which must keep it from starting and endpoints closed.
fn assert_does_not_start(world: &mut World, spoilt: &Path, damages: &[Damage]) {
    let original = Original::of(spoilt.to_owned());
    for damage in damages {
        damage(spoilt);
        world.system.start_agent("vm").unwrap();
        let said = world
            .system
            .wait_for_agent_line("vm", "latchkey-agent: ")
            .unwrap();
        assert!(said.contains(spoilt.to_str().unwrap()), "{said}");
        let status = world.system.wait_for_agent_end("vm").unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        for user in ["root", "app"] {
            world.expect_no_connection("vm", user, &Curl::imds(INSTANCE));
            world.expect_no_connection("vm", user, &Curl::wireserver(GOAL_STATE));
        }
        original.put_back();
    }
    assert_eq!(world.observed("vm"), []);
    world.system.start_agent("vm").unwrap();
    world.system.wait_until_served("vm").unwrap();
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
}

#[test]
fn remembered_modes_or_audit_file_of_somebody_else_keep_the_agent_from_starting_and_enforce_closed()
{
    let mut world = World::start([GuestPlan::enforce("vm")]);
    assert!(world.system.terminate_agent("vm").unwrap().success());
    let modes = world.system.state_folder("vm").unwrap().join("modes.json");
    assert_does_not_start(&mut world, &modes, &[share, give_away, link, make_folder]);
    world.end(&[("vm", 1)]);
    let mut world = World::start([GuestPlan::enforce("vm")]);
    assert!(world.system.terminate_agent("vm").unwrap().success());
    let audit = world.system.audit_file("vm").unwrap();
    assert_does_not_start(&mut world, &audit, &[link, give_away, make_folder]);
    world.end(&[("vm", 1)]);
}

#[test]
fn torn_modes_are_as_good_as_none_and_the_agent_begins_strict() {
    let mut world = World::start([GuestPlan::audit("vm")]);
    assert!(world.system.terminate_agent("vm").unwrap().success());
    world.system.kill_host().unwrap();
    let modes = world.system.state_folder("vm").unwrap().join("modes.json");
    for damage in [tear as Damage, empty] {
        damage(&modes);
        world.system.start_agent("vm").unwrap();
        let begins = |status: &AgentStatus| status.channel.problem.is_some();
        let status = world
            .system
            .wait_for_status("vm", "no host", begins)
            .unwrap();
        let mut endpoints = status.endpoints.iter();
        assert!(
            endpoints.all(|endpoint| endpoint.mode == Mode::Enforce),
            "{status:?}"
        );
        assert!(world.system.terminate_agent("vm").unwrap().success());
    }
    world.system.start_host().unwrap();
    world.system.start_agent("vm").unwrap();
    world.system.wait_until_served("vm").unwrap();
    world.expect("vm", "mallory", &Curl::imds(INSTANCE), 200);
    world.end(&[("vm", 1)]);
}

#[test]
fn audit_file_that_cannot_be_written_for_a_while_loses_no_record() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    world.record("vm", 1);
    let audit = world.system.audit_file("vm").unwrap();
    let first = fs::read(&audit).unwrap();
    make_folder(&audit);
    for (user, status) in [("app", 200), ("mallory", 403), ("root", 200)] {
        world.expect("vm", user, &Curl::imds(INSTANCE), status);
    }
    let fails = |status: &AgentStatus| {
        let mut counters = status.counters.iter();
        counters.any(|(name, count)| name == "audit_write_errors" && *count > 0)
    };
    world
        .system
        .wait_for_status("vm", "a failed write", fails)
        .unwrap();
    fs::remove_dir(&audit).unwrap();
    fs::write(&audit, first).unwrap();
    let records = world.system.wait_for_audit("vm", 4).unwrap();
    let outcomes: Vec<Outcome> = records.iter().map(|record| record.outcome).collect();
    let (forwarded, refused) = (Outcome::Forwarded, Outcome::Refused);
    assert_eq!(outcomes, [forwarded, forwarded, refused, forwarded]);
    world.end(&[("vm", 4)]);
}
