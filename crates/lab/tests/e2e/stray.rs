//! Requests from a guest's network that no kernel program sees: what an attacker sends who has taken
//! the guard off the guest's links, outside of the intercepted control group. All that stands
//! against it is the host.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Method};
use latchkey_lab::GuestPlan;
use latchkey_lab::curl::{Answer, Curl};
use latchkey_lab::state::LabState;
use latchkey_protocol::header::{HOST_AUTHORIZATION, HOST_CLAIMS, HOST_DATE};
use latchkey_protocol::latch::IssuedKey;
use latchkey_protocol::signature::Signable;
use latchkey_protocol::{Claims, Elevation};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::world::{INSTANCE, World};

/// Runs curl in the network namespace of a guest, and in the control group of this test, while the
/// links of the guest are not guarded.
pub(crate) fn ask(world: &World, guest: &str, arguments: &[String]) -> Answer {
    let agent = Halted::agent(world, guest);
    take_guard_off(world.guest(guest).pin_dir());
    let answer = ask_unguarded(world, guest, arguments);
    drop(agent);
    answer
}

/// An agent that does nothing, so that it restores nothing, until this is dropped.
struct Halted(Pid);

impl Halted {
    fn agent(world: &World, guest: &str) -> Self {
        let pid = world.system.agent_pid(guest).unwrap();
        let pid = Pid::from_raw(pid.try_into().unwrap());
        signal::kill(pid, Signal::SIGSTOP).unwrap();
        Self(pid)
    }
}

impl Drop for Halted {
    fn drop(&mut self) {
        signal::kill(self.0, Signal::SIGCONT).unwrap();
    }
}

/// The kernel detaches a moment later; curl's next attempt to connect then gets through.
fn take_guard_off(pin_dir: &Path) {
    for pin in fs::read_dir(pin_dir).unwrap().flatten() {
        if pin.file_name().to_string_lossy().starts_with("link_guard_") {
            fs::remove_file(pin.path()).unwrap();
        }
    }
}

fn ask_unguarded(world: &World, guest: &str, arguments: &[String]) -> Answer {
    let state = LabState::read(world.system.lab().id()).unwrap();
    let holder = state.node(guest).unwrap().holder;
    let output = Command::new("nsenter")
        .arg(format!("--net=/proc/{}/ns/net", holder.pid))
        .args([
            "curl",
            "--disable",
            "--silent",
            "--include",
            "--max-time",
            "20",
        ])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let mut answer = Answer::parse(&String::from_utf8(output.stdout).unwrap());
    answer.exit = output.status.code();
    answer
}

/// Asks for the instance document, signed in the name of root with a key that was read from a file.
#[expect(
    clippy::disallowed_methods,
    reason = "a signature needs the time of the real host"
)]
pub(crate) fn ask_signed(world: &World, guest: &str, key: &str) -> Answer {
    ask_signed_at(world, guest, key, SystemTime::now())
}

/// As [`ask_signed`], with a signature of this date.
pub(crate) fn ask_signed_at(world: &World, guest: &str, key: &str, date: SystemTime) -> Answer {
    let key = IssuedKey::parse(key.as_bytes()).unwrap().key;
    let claims = Claims {
        elevation: Elevation::Root,
    }
    .header_value();
    let date = httpdate::fmt_http_date(date);
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("169.254.169.254"));
    headers.insert("metadata", HeaderValue::from_static("true"));
    headers.insert(HOST_CLAIMS, HeaderValue::from_static(claims));
    headers.insert(HOST_DATE, date.parse().unwrap());
    let signable = Signable {
        method: &Method::GET,
        target: INSTANCE,
        headers: &headers,
        body: b"",
    };
    let authorization = key.sign(&signable).unwrap().header_value();
    headers.insert(HOST_AUTHORIZATION, authorization);
    let lines = headers.iter().flat_map(|(name, value)| {
        let line = format!("{name}: {}", value.to_str().unwrap());
        ["--header".to_owned(), line]
    });
    let mut arguments: Vec<String> = lines.collect();
    // What curl would add by itself is not signed.
    for name in ["User-Agent", "Accept"] {
        arguments.extend(["--header".to_owned(), format!("{name}:")]);
    }
    arguments.push(format!("http://169.254.169.254{INSTANCE}"));
    ask(world, guest, &arguments)
}

#[test]
fn request_past_the_kernel_programs_is_refused_by_the_host() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let url = format!("http://169.254.169.254{INSTANCE}");
    let answer = ask(
        &world,
        "vm",
        &["--header".to_owned(), "Metadata: true".to_owned(), url],
    );
    assert_eq!(
        (answer.status, answer.reason()),
        (Some(401), Some("signature_missing"))
    );
    assert_eq!(
        world.ask("vm", "root", &Curl::imds(INSTANCE)).status,
        Some(200)
    );
    world.end_with_strays(&[("vm", 1)], 1);
}

#[test]
fn key_of_another_guest_does_not_verify() {
    let world = World::start([GuestPlan::enforce("one"), GuestPlan::enforce("two")]);
    let key = read_key(&world, "one");
    assert_eq!(ask_signed(&world, "one", &key).status, Some(200));
    let answer = ask_signed(&world, "two", &key);
    assert_eq!(
        (answer.status, answer.reason()),
        (Some(401), Some("unknown_key"))
    );
    world.end_with_strays(&[("one", 0), ("two", 0)], 1);
}

/// Returns the content of the one key file of a guest's agent.
pub(crate) fn read_key(world: &World, guest: &str) -> String {
    let folder = world.system.key_folder(guest).unwrap();
    let files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    fs::read_to_string(&files[0]).unwrap()
}
