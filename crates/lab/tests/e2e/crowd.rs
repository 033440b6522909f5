//! Many connections at once, of several users and programs in two guests, all open before any is used.
//!
//! Each request carries a marker of its own, so that agent and host can be asked who was taken for
//! whom: every record names the process that sent its marker, and the host saw each allowed
//! request once, signed, with the right claim, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use latchkey_lab::curl::Curl;
use latchkey_lab::system::LIMIT;
use latchkey_lab::{Guest, GuestPlan, Process};
use latchkey_record::AuditRecord;
use latchkey_record::audit::Outcome;
use latchkey_record::observation::SignatureFinding;

use crate::world::{INSTANCE, World};

const CLIENT: &str = include_str!("crowd_client.py");

/// How many connections each process opens.
const EACH: usize = 200;

/// Who asks in each guest, and what the standard profile says to it.
const CROWD: [(&str, u16); 5] = [
    ("root", 200),
    ("app", 200),
    ("www", 200),
    ("svc", 403),
    ("mallory", 403),
];

/// One process of the crowd.
struct Caller {
    guest: &'static str,
    user: &'static str,
    status: u16,
    executable: PathBuf,
    process: Process,
    pid: u32,
}

impl Caller {
    /// Starts a program of its own name, which opens its connections and waits.
    fn start(guest: &Guest, name: &'static str, (user, status): (&'static str, u16)) -> Self {
        let executable = guest.dir().join(format!("python-of-{user}"));
        std::fs::copy("/usr/bin/python3", &executable).unwrap();
        let command = guest.command(user, &executable).args(["-c", CLIENT, user]);
        let mut process = command
            .arg(EACH.to_string())
            .arg(guest.dir().join("go"))
            .arg(INSTANCE)
            .spawn()
            .unwrap();
        let line = process.wait_for_line("open", LIMIT).unwrap();
        let pid = line.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            guest: name,
            user,
            status,
            executable,
            process,
            pid,
        }
    }

    fn markers(&self) -> BTreeSet<String> {
        (0..EACH)
            .map(|number| format!("{}-{number}", self.user))
            .collect()
    }

    /// Waits until all its requests are answered, as they must be.
    fn assert_answered(&mut self) {
        let line = self.process.wait_for_line("answers:", LIMIT).unwrap();
        let answers = line.strip_prefix("answers: ").unwrap();
        let answers: BTreeMap<String, String> = serde_json::from_str(answers).unwrap();
        let status = self.status.to_string();
        let expected = self
            .markers()
            .into_iter()
            .map(|marker| (marker, status.clone()));
        assert_eq!(
            answers,
            expected.collect(),
            "{} in {}",
            self.user,
            self.guest
        );
    }

    /// Finds this process's requests among a guest's records by their markers, each once, and all
    /// in its name.
    fn assert_recorded(&self, records: &[AuditRecord]) {
        let own = |record: &&AuditRecord| {
            marker(record.target.as_deref()).starts_with(&format!("{}-", self.user))
        };
        let own: Vec<&AuditRecord> = records.iter().filter(own).collect();
        let markers: BTreeSet<String> = own
            .iter()
            .map(|record| marker(record.target.as_deref()))
            .collect();
        assert_eq!((own.len(), markers), (EACH, self.markers()));
        for record in own {
            let caller = record.caller.as_ref().unwrap();
            let found = (
                caller.pid,
                caller.user.as_deref(),
                caller.executable.as_deref(),
            );
            let expected = (self.pid, Some(self.user), self.executable.to_str());
            assert_eq!(found, expected, "{record:?}");
            let outcome = if self.status == 200 {
                Outcome::Forwarded
            } else {
                Outcome::Refused
            };
            assert_eq!(
                (record.outcome, record.status),
                (outcome, Some(self.status)),
                "{record:?}"
            );
        }
    }
}

/// Returns the marker of a request.
fn marker(target: Option<&str>) -> String {
    let (_, marker) = target.unwrap().split_once("&marker=").unwrap();
    marker.to_owned()
}

fn open_connections(world: &mut World, guest: &str, count: u64) {
    let awaited = format!("{count} connections");
    let are_open = |status: &latchkey_record::AgentStatus| {
        status.counters.contains(&("connections".to_owned(), count))
    };
    world
        .system
        .wait_for_status(guest, &awaited, are_open)
        .unwrap();
}

/// The host saw what was allowed, each once, signed, and claimed to be root only when it is.
fn assert_observed(world: &World, guest: &str) {
    let allowed: BTreeSet<String> = CROWD
        .iter()
        .filter(|(_, status)| *status == 200)
        .flat_map(|(user, _)| (0..EACH).map(move |number| format!("{user}-{number}")))
        .collect();
    let observations = world.wait_for_observed(guest, allowed.len());
    for seen in &observations {
        let is_roots = marker(seen.target.as_deref()).starts_with("root-");
        assert_eq!(
            (seen.signature, seen.is_root),
            (SignatureFinding::Valid, Some(is_roots)),
            "{seen:?}"
        );
    }
    let markers: BTreeSet<String> = observations
        .iter()
        .map(|seen| marker(seen.target.as_deref()))
        .collect();
    assert_eq!(markers, allowed);
}

#[test]
fn thousand_connections_at_once_are_each_attributed_to_the_process_that_made_them() {
    let guests = ["one", "two"];
    let mut world = World::start(guests.map(GuestPlan::enforce));
    let each_guest = CROWD.len() * EACH;
    assert_eq!(each_guest, 1_000);
    let mut callers = Vec::new();
    for name in guests {
        let guest = world.guest(name);
        callers.extend(CROWD.map(|member| Caller::start(guest, name, member)));
    }
    for name in guests {
        open_connections(&mut world, name, each_guest as u64);
    }
    // Nothing was asked yet, so all of them are open now.
    for name in guests {
        assert_eq!(world.system.audit(name).unwrap(), []);
        std::fs::write(go(&world, name), "").unwrap();
    }
    callers.iter_mut().for_each(Caller::assert_answered);
    for name in guests {
        let records = world.system.wait_for_audit(name, each_guest).unwrap();
        let here = callers.iter().filter(|caller| caller.guest == name);
        here.for_each(|caller| caller.assert_recorded(&records));
        assert_observed(&world, name);
    }
    drop(callers);
    world.end(&guests.map(|name| (name, each_guest)));
}

fn go(world: &World, guest: &str) -> PathBuf {
    let directory: &Path = world.guest(guest).dir();
    directory.join("go")
}

/// What the host serves of one machine at once.
const EACH_MACHINE: usize = 256;

#[test]
fn guests_that_hold_all_connections_they_may_keep_no_other_guest_out() {
    let holders = ["h1", "h2", "h3", "h4", "h5"];
    let plans = holders.into_iter().chain(["vm"]);
    let world = World::start(plans.map(|name| GuestPlan::audit(name).without_agent()));
    let hold = |name: &&str| {
        let guest = world.guest(name);
        let command = guest.command("app", "/usr/bin/python3");
        let mut process = command
            .args(["-c", CLIENT, "idle", &EACH_MACHINE.to_string()])
            .args([&go(&world, name), Path::new(INSTANCE)])
            .spawn()
            .unwrap();
        process.wait_for_line("open", LIMIT).unwrap();
        process
    };
    let held: Vec<Process> = holders.iter().map(hold).collect();
    for _ in 0..3 {
        world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    }
    world.expect("h1", "app", &Curl::imds(INSTANCE), 429);
    drop(held);
    world.end(&[]);
}
