//! Rule files of the machine's administrator: they add to the host's rules, and a bad one changes nothing.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use latchkey_lab::curl::Curl;
use latchkey_lab::system::profile;
use latchkey_lab::{GuestPlan, Profile};
use latchkey_protocol::{Mode, Reason};
use latchkey_record::AgentStatus;
use latchkey_record::audit::Outcome;

use crate::world::{TOKEN, World};

/// The base64 of `{"id":"ours","useLocalFileRules":true}`.
const CONTRACT: &str = "eyJpZCI6Im91cnMiLCJ1c2VMb2NhbEZpbGVSdWxlcyI6dHJ1ZX0=";

/// A host that gives tokens to `app` and asks for local rules.
fn plan() -> GuestPlan {
    let profile = Profile::deny(CONTRACT).grant("get-token", profile::TOKEN_PATH, &["app"]);
    GuestPlan::enforce("vm")
        .with_profile(profile)
        .with_poll_interval(Duration::from_millis(200))
}

/// A file that gives tokens to this user too.
fn granting(id: &str, user: &str) -> String {
    serde_json::json!({
        "id": id,
        "rules": {
            "privileges": [{"name": "token", "path": profile::TOKEN_PATH}],
            "roles": [{"name": "reader", "privileges": ["token"]}],
            "identities": [{"name": "user", "userName": user}],
            "roleAssignments": [{"role": "reader", "identities": ["user"]}],
        }
    })
    .to_string()
}

/// Makes the folder and returns the path of the file in it.
fn file(world: &World) -> PathBuf {
    let folder = world.system.state_folder("vm").unwrap().join("rules");
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    folder.join("IMDS_Rules.json")
}

fn imds(status: &AgentStatus) -> (&str, Option<&str>) {
    let mut endpoints = status.endpoints.iter();
    let imds = endpoints.find(|endpoint| endpoint.name == "imds").unwrap();
    (
        imds.rules.as_deref().unwrap_or_default(),
        imds.problem.as_deref(),
    )
}

/// Waits until the rules in force end in this id, without or with a problem of this kind.
#[track_caller]
fn wait(world: &mut World, id: &'static str, problem: Option<&'static str>) {
    let is_there = move |status: &AgentStatus| {
        let (rules, found) = imds(status);
        let fits = match (problem, found) {
            (None, None) => true,
            (Some(wanted), Some(found)) => found.contains(wanted),
            _ => false,
        };
        rules.ends_with(id) && fits
    };
    world.system.wait_for_status("vm", id, is_there).unwrap();
}

#[test]
fn local_file_adds_to_the_rules_of_the_host_and_a_bad_one_changes_nothing() {
    let mut world = World::start([plan()]);
    world.expect("vm", "www", &Curl::imds(TOKEN), 403);
    let path = file(&world);
    fs::write(&path, granting("one", "www")).unwrap();
    wait(&mut world, "-useLocalFileRules-true_one", None);
    world.expect("vm", "www", &Curl::imds(TOKEN), 200);
    world.expect("vm", "app", &Curl::imds(TOKEN), 200);
    world.expect("vm", "mallory", &Curl::imds(TOKEN), 403);

    fs::write(&path, r#"{"rules": {"privilege": []}}"#).unwrap();
    wait(&mut world, "_one", Some("did you mean `privileges`?"));
    world.expect("vm", "www", &Curl::imds(TOKEN), 200);

    // First the mode, so that the agent never sees the content in a file of root alone.
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    fs::write(&path, granting("open", "mallory")).unwrap();
    wait(&mut world, "_one", Some("nobody else can write to"));
    world.expect("vm", "mallory", &Curl::imds(TOKEN), 403);

    let time = fs::metadata(&path).unwrap().modified().unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, granting("next", "mallory")).unwrap();
    let written = File::options().write(true).open(&path).unwrap();
    written.set_modified(time).unwrap();
    wait(&mut world, "_next", None);
    world.expect("vm", "mallory", &Curl::imds(TOKEN), 200);
    world.expect("vm", "www", &Curl::imds(TOKEN), 403);

    fs::remove_file(&path).unwrap();
    wait(&mut world, "-useLocalFileRules-true", None);
    world.expect("vm", "mallory", &Curl::imds(TOKEN), 403);
    world.end(&[("vm", 9)]);
}

#[test]
fn agent_that_starts_with_a_bad_file_lets_nothing_through_until_it_is_mended() {
    let mut world = World::start_without_agents([plan()]);
    let path = file(&world);
    fs::write(&path, "{").unwrap();
    world.system.start_agent("vm").unwrap();
    wait(&mut world, "-useLocalFileRules-true", Some("not JSON"));
    world.expect("vm", "app", &Curl::imds(TOKEN), 403);
    fs::write(&path, granting("one", "www")).unwrap();
    wait(&mut world, "_one", None);
    world.expect("vm", "app", &Curl::imds(TOKEN), 200);
    world.end(&[("vm", 2)]);
}

#[test]
fn agent_that_starts_with_a_bad_file_in_audit_lets_pass_and_records() {
    let mut world = World::start_without_agents([plan().with_mode(Mode::Audit)]);
    fs::write(file(&world), "{").unwrap();
    world.system.start_agent("vm").unwrap();
    wait(&mut world, "-useLocalFileRules-true", Some("not JSON"));
    world.expect("vm", "app", &Curl::imds(TOKEN), 200);
    let record = world.record("vm", 1);
    let found = (record.mode, record.outcome, record.would_refuse);
    let (audit, no_rule) = (Some(Mode::Audit), Some(Reason::NoMatchingRule));
    assert_eq!(found, (audit, Outcome::Forwarded, no_rule));
    world.end(&[("vm", 1)]);
}
