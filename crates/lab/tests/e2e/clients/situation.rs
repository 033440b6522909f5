//! The situations that every client is put into, all in Enforce, and what must hold in each.
//!
//! The number of requests is exact: a client that asks again when it need not, or gets past the
//! agent, fails here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use latchkey_lab::system::LIMIT;
use latchkey_lab::{Command, GuestPlan, Identity, Output, Profile};
use latchkey_protocol::Reason;
use latchkey_record::AuditRecord;
use latchkey_record::audit::Outcome;

use super::tool::Tool;
use crate::world::World;

/// The guest that the client runs in.
pub(super) const GUEST: &str = "vm";

/// How soon a client ends when it is refused, on a busy machine: no waiting, no asking again.
const PROMPT: Duration = Duration::from_secs(10);

/// A program that the profile names instead, in the situation where it does not name the client.
const ANOTHER_PROGRAM: &str = "/usr/bin/true";

/// A client that somebody else wrote, as its users run it, and what it is known to do.
pub(super) struct Client {
    /// What runs it.
    pub(super) tool: Tool,
    /// Who runs it.
    pub(super) user: &'static str,
    /// Adds what its user tells it.
    pub(super) told: fn(Command) -> Command,
    /// What its profiles grant: paths of the instance metadata service, and of the `WireServer`.
    pub(super) paths: (&'static [&'static str], &'static [&'static str]),
    /// The statuses of the host's answers when it may ask, one for each of its requests.
    pub(super) answers: &'static [u16],
    /// Why one more request, its last, is refused in spite of its profile.
    pub(super) refused_anyway: Option<Reason>,
    /// Checks what it says then.
    pub(super) result: fn(&World, &str),
    /// What it does when it may not ask.
    pub(super) refusal: Refusal,
    /// What it does when it is started while no agent runs.
    pub(super) gap: Gap,
}

/// How a client takes a refusal.
pub(super) struct Refusal {
    /// How many requests it makes.
    pub(super) requests: usize,
    /// Its exit code.
    pub(super) exit: i32,
    /// What its user reads.
    pub(super) says: &'static [&'static str],
}

/// How a client takes a refused connection.
pub(super) enum Gap {
    /// It tries again by itself; until then it says this.
    Retries(&'static str),
    /// It ends with this exit code and tells its user.
    Ends(i32, &'static str),
}

impl Client {
    /// The profile names the client: it gets its result, and everything is signed and recorded.
    pub(super) fn is_served(&self) {
        let world = self.world(&self.tool.executable());
        self.expect_result(&world);
        let records = world.system.wait_for_audit(GUEST, self.requests()).unwrap();
        self.assert_served(&records);
        self.end(world, self.requests(), self.answers.len());
    }

    /// The profile names its user with another program: it tells so, soon, and the host hears
    /// nothing of it.
    pub(super) fn is_refused(&self) {
        let world = self.world(Path::new(ANOTHER_PROGRAM));
        let output = self.command(&world).output(PROMPT).unwrap();
        assert_eq!(output.code(), Some(self.refusal.exit), "{output:?}");
        for expected in self.refusal.says {
            let said = said(&output);
            assert!(said.contains(expected), "`{expected}` is not in: {said}");
        }
        let requests = self.refusal.requests;
        let records = world.system.wait_for_audit(GUEST, requests).unwrap();
        for record in &records {
            assert_eq!(record.outcome, Outcome::Refused, "{record:?}");
            self.assert_attributed(record);
        }
        let withheld = |record: &&AuditRecord| record.reason == Some(Reason::CallerNotAssigned);
        let other = usize::from(self.refused_anyway.is_some());
        assert_eq!(
            records.iter().filter(withheld).count(),
            requests - other,
            "{records:?}"
        );
        self.end(world, requests, 0);
    }

    /// The agent ends and starts again while the client works: the client gets its result or ends
    /// with a clear error, never reaches the host by itself, and is served as before afterwards.
    pub(super) fn is_served_again_after_a_restart(&self) {
        let mut world = self.world(&self.tool.executable());
        self.expect_result(&world);
        let status = world.system.terminate_agent(GUEST).unwrap();
        assert!(status.success(), "{status}");
        let results = match self.gap {
            Gap::Retries(notice) => {
                self.expect_result_across_the_start(&mut world, notice);
                3
            }
            Gap::Ends(exit, says) => {
                let output = self.command(&world).output(PROMPT).unwrap();
                assert_eq!(output.code(), Some(exit), "{output:?}");
                assert!(said(&output).contains(says), "{output:?}");
                world.system.start_agent(GUEST).unwrap();
                world.system.wait_until_served(GUEST).unwrap();
                2
            }
        };
        self.expect_result(&world);
        let status = world.system.terminate_agent(GUEST).unwrap();
        assert!(status.success(), "{status}");
        // A starting agent holds what comes before its rules and its key: nobody is told to ask again.
        let records = world.system.audit(GUEST).unwrap();
        assert_eq!(records.len(), results * self.requests(), "{records:?}");
        for round in records.chunks(self.requests()) {
            self.assert_served(round);
        }
        self.end(world, records.len(), results * self.answers.len());
    }

    /// Starts the client while no agent runs, starts the agent once the client has noticed, and
    /// expects that the client gets its result.
    fn expect_result_across_the_start(&self, world: &mut World, notice: &str) {
        let mut process = self.command(world).spawn().unwrap();
        process.wait_for_line(notice, LIMIT).unwrap();
        world.system.start_agent(GUEST).unwrap();
        let status = process.wait(LIMIT).unwrap();
        let said = process.log().unwrap();
        assert!(status.success(), "{status}: {said}");
        world.system.wait_until_served(GUEST).unwrap();
        (self.result)(world, &said);
    }

    fn expect_result(&self, world: &World) {
        let output = self.command(world).output(LIMIT).unwrap();
        assert!(output.success(), "{output:?}");
        (self.result)(world, &said(&output));
    }

    /// Starts a guest whose profiles grant the client's paths to this program of its user.
    pub(super) fn world(&self, executable: &Path) -> World {
        let (imds, wireserver) = self.paths;
        let plan = GuestPlan::enforce(GUEST)
            .with_profile(self.profile("imds", imds, executable))
            .with_wireserver_profile(self.profile("wireserver", wireserver, executable));
        let world = World::start([plan]);
        self.tool.install(world.guest(GUEST));
        world
    }

    fn profile(&self, id: &str, paths: &[&str], executable: &Path) -> Profile {
        let grant = |profile: Profile, path: &&str| {
            profile.grant_to(path, path, [Identity::program(self.user, executable)])
        };
        paths.iter().fold(Profile::deny(id), grant)
    }

    pub(super) fn command(&self, world: &World) -> Command {
        let command = world.guest(GUEST).command(self.user, self.tool.program());
        (self.told)(command)
    }

    fn requests(&self) -> usize {
        self.answers.len() + usize::from(self.refused_anyway.is_some())
    }

    /// One whole result: everything was forwarded but what is refused anyway.
    fn assert_served(&self, records: &[AuditRecord]) {
        assert_eq!(records.len(), self.requests(), "{records:?}");
        let (forwarded, refused) = records.split_at(self.answers.len());
        for (record, status) in forwarded.iter().zip(self.answers) {
            assert_eq!(
                (record.outcome, record.status),
                (Outcome::Forwarded, Some(*status)),
                "{record:?}"
            );
            assert!(
                record
                    .rule
                    .as_deref()
                    .is_some_and(|rule| rule.contains("for identity")),
                "{record:?}"
            );
            self.assert_attributed(record);
        }
        let reasons: Vec<_> = refused.iter().filter_map(|record| record.reason).collect();
        assert_eq!(reasons, Vec::from_iter(self.refused_anyway), "{refused:?}");
    }

    fn assert_attributed(&self, record: &AuditRecord) {
        let caller = record.caller.as_ref().unwrap();
        let executable = caller.executable.as_ref().map(PathBuf::from);
        assert_eq!(
            (caller.user.as_deref(), executable),
            (Some(self.user), Some(self.tool.executable())),
            "{record:?}"
        );
    }

    /// Ends the world: so many records, and the host got exactly what was forwarded.
    pub(super) fn end(&self, world: World, records: usize, forwarded: usize) {
        world.wait_for_observed(GUEST, forwarded);
        world.end(&[(GUEST, records)]);
    }
}

fn said(output: &Output) -> String {
    output.stdout_text() + &output.stderr
}
