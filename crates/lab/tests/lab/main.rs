//! The lab itself under test, as root, on the machine it is run on.
//!
//! A missing privilege or mount is a failure here, not a reason to skip.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is the test's"
)]

mod crash;
#[path = "../support/leftovers.rs"]
mod leftovers;
mod processes;
mod reach;
mod root;
mod teardown;
mod users;

use std::time::Duration;

use latchkey_lab::{Guest, Lab, Output, Process};

/// More than any step takes, also when all tests run at once on a slow machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Starts a lab with these guests.
fn lab(guests: &[&str]) -> Lab {
    guests
        .iter()
        .fold(Lab::builder(), |builder, name| builder.guest(name))
        .start()
        .unwrap()
}

/// Runs a shell script in a guest to its end.
fn shell(guest: &Guest, user: &str, script: &str) -> Output {
    guest
        .command(user, "sh")
        .args(["-c", script])
        .output(LIMIT)
        .unwrap()
}

/// Serves one file, `hello`, with this content on the host's metadata address.
fn serve(lab: &Lab, content: &str) -> Process {
    let root = lab.host().dir().join("www");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("hello"), content).unwrap();
    let mut server = lab
        .host()
        .command("root", "/usr/bin/python3")
        .args(["-u", "-m", "http.server", "80", "--bind", "169.254.169.254"])
        .current_dir(root)
        .spawn()
        .unwrap();
    server.wait_for_line("Serving HTTP", LIMIT).unwrap();
    server
}
