//! One way round, tried in a guest of its own: who tries it, what became of it, and what its row claims.
//!
//! The caller's word is only half of it. What became of a way is read off the agent's audit record
//! and the host's observation of the same request, and all three must fit together.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use latchkey_lab::bypass::{Evidence, Outcome, Row, evidence, row_of};
use latchkey_lab::system::profile::{INSTANCE_PATH, TOKEN_PATH};
use latchkey_lab::system::{LIMIT, SystemError};
use latchkey_lab::{Command, GuestPlan, Identity, Output, Process, Profile, wait};
use latchkey_record::audit::Outcome as Ended;
use latchkey_record::observation::SignatureFinding;
use latchkey_record::{AuditRecord, Observation};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::world::World;

/// Names the caller's executable, which `make clients` builds.
const CALLER_VARIABLE: &str = "LATCHKEY_BYPASS_CALLER";

/// The library beside it that asks in the name of the program that loads it.
const INTRUDER: &str = "libintruder.so";

/// The guest of every trial.
pub(crate) const GUEST: &str = "vm";

/// What the caller says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    /// How far it came.
    pub(crate) step: String,
    /// What the kernel said there, if it refused.
    pub(crate) error: Option<String>,
    /// The peer, as the application sees it.
    pub(crate) peer: Option<String>,
    /// The status of the answer.
    pub(crate) status: Option<u16>,
    /// The reason of a refusal.
    pub(crate) reason: Option<String>,
}

impl Report {
    /// Reads the last report in what a caller wrote.
    #[track_caller]
    pub(crate) fn read(output: &Output) -> Self {
        Self::read_text(&output.stdout_text()).unwrap_or_else(|| panic!("no report: {output:?}"))
    }

    /// Reads the last report in a text.
    #[track_caller]
    pub(crate) fn read_text(text: &str) -> Option<Self> {
        let line = text.lines().rfind(|line| line.starts_with('{'))?;
        Some(serde_json::from_str(line).unwrap())
    }
}

/// Returns the name of the test that calls it.
macro_rules! test_name {
    () => {{
        fn here() {}
        let path = std::any::type_name_of_val(&here);
        path.strip_suffix("::here")
            .and_then(|path| path.rsplit("::").next())
            .unwrap()
    }};
}
pub(crate) use test_name;

/// Starts the trial of the row that has the name of the calling test.
macro_rules! trial {
    () => {
        $crate::trial::Trial::of($crate::trial::test_name!())
    };
}
pub(crate) use trial;

/// A way round under trial, in a guest in Enforce.
pub(crate) struct Trial {
    row: &'static Row,
    pub(crate) world: World,
    programs: Programs,
    target: String,
    earlier: usize,
}

/// The caller twice: `app` may have tokens with one of the two executables alone.
pub(crate) struct Programs {
    folder: TempDir,
}

impl Programs {
    pub(crate) fn new() -> Self {
        let caller = std::env::var_os(CALLER_VARIABLE)
            .unwrap_or_else(|| panic!("set {CALLER_VARIABLE} to the caller's executable"));
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["allowed", "other"] {
            fs::copy(&caller, folder.path().join(name)).unwrap();
        }
        let intruder = Path::new(&caller).with_file_name(INTRUDER);
        fs::copy(intruder, folder.path().join(INTRUDER)).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Plans the guest: `app` and root may read what it is, and `app` may have its tokens with
    /// the allowed executable and with Python.
    pub(crate) fn plan(&self) -> GuestPlan {
        let python = fs::canonicalize("/usr/bin/python3").unwrap();
        let programs = [self.path("allowed"), python];
        let profile = Profile::deny("bypass")
            .grant("read-instance", INSTANCE_PATH, &["root", "app"])
            .grant_to(
                "get-token",
                TOKEN_PATH,
                programs.map(|program| Identity::program("app", &program)),
            );
        GuestPlan::enforce(GUEST).with_profile(profile)
    }
}

impl Trial {
    /// Starts a guest in Enforce for the row of this test.
    pub(crate) fn of(test: &str) -> Self {
        let programs = Programs::new();
        let plan = programs.plan();
        Self::within(test, programs, World::start([plan]))
    }

    /// Tries the row of this test in a world that stands already.
    pub(crate) fn within(test: &str, programs: Programs, world: World) -> Self {
        let row = row_of(test).unwrap_or_else(|| panic!("no row has the test {test}"));
        Evidence::forget(&evidence::directory().unwrap(), test).unwrap();
        Self {
            row,
            world,
            programs,
            target: crate::world::INSTANCE.to_owned(),
            earlier: 0,
        }
    }

    /// Makes the callers ask for this instead of what the machine is.
    pub(crate) fn asking_for(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// Says that so many requests that reach the agent come before the one that counts.
    pub(crate) fn after(mut self, requests: usize) -> Self {
        self.earlier += requests;
        self
    }

    /// Returns the executable with which `app` may have tokens.
    pub(crate) fn allowed(&self) -> PathBuf {
        self.programs.path("allowed")
    }

    /// Returns the same program, as a file of its own that no rule names.
    pub(crate) fn other(&self) -> PathBuf {
        self.programs.path("other")
    }

    /// Describes a program in the guest that finds what it needs in its environment.
    pub(crate) fn command(&self, user: &str, program: impl AsRef<Path>) -> Command {
        let guest = self.world.guest(GUEST);
        guest
            .command(user, program.as_ref())
            .env("TARGET", &self.target)
            .env("ALLOWED", self.allowed())
            .env("OTHER", self.other())
            .env("INTRUDER", self.programs.path(INTRUDER))
            .env("PINS", guest.pin_dir())
            .env("GROUP", guest.cgroup().path())
            .env("GATEWAY", guest.gateway().to_string())
    }

    /// Runs the caller, with the executable that no rule names.
    #[track_caller]
    pub(crate) fn call(&self, user: &str, arguments: &[&str]) -> Report {
        Self::run(&self.command(user, self.other()).args(arguments))
    }

    /// Runs a script, one of whose commands is the caller.
    #[track_caller]
    pub(crate) fn script(&self, user: &str, script: &str) -> Report {
        Self::run(&self.command(user, "/bin/sh").args(["-euc", script]))
    }

    #[track_caller]
    fn run(command: &Command) -> Report {
        Report::read(&command.output(LIMIT).unwrap())
    }

    /// Runs a script of root's that prepares the guest, and expects it to end well.
    #[track_caller]
    pub(crate) fn prepare(&self, script: &str) {
        let command = self.command("root", "/bin/sh").args(["-euc", script]);
        let output = command.output(LIMIT).unwrap();
        assert!(output.success(), "{output:?}");
    }

    /// Starts the caller in the background, with the executable that no rule names.
    pub(crate) fn start(&self, user: &str, arguments: &[&str]) -> Process {
        let command = self.command(user, self.other()).args(arguments);
        command.spawn().unwrap()
    }

    /// Waits for the report of a caller in the background.
    #[track_caller]
    pub(crate) fn report_of(&self, process: &mut Process) -> Report {
        let line = process.wait_for_line("{\"step\"", LIMIT).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Runs the caller as a user and holds what became of it against the row.
    #[track_caller]
    pub(crate) fn proves(self, user: &str, arguments: &[&str]) {
        let report = self.call(user, arguments);
        self.concludes(&report, user);
    }

    /// Holds what became of the last request, in the name of this user, against the row, writes it
    /// down, and ends the guest.
    #[track_caller]
    pub(crate) fn concludes(self, report: &Report, user: &str) {
        let outcome = self.outcome(report, user);
        let by_agent = report.status.is_some() && !matches!(outcome, Outcome::Host(_));
        let records = self.earlier + usize::from(by_agent);
        self.ends(report, outcome, &[(GUEST, records)]);
    }

    /// As [`Trial::concludes`], where the agent has records of a crowd, whose number nobody knows.
    #[track_caller]
    pub(crate) fn concludes_among_others(self, report: &Report, user: &str) {
        let outcome = self.outcome(report, user);
        self.ends(report, outcome, &[]);
    }

    #[track_caller]
    fn ends(self, report: &Report, outcome: Outcome, records: &[(&str, usize)]) {
        assert_eq!(outcome, self.row.outcome, "{report:?}");
        let report = serde_json::to_value(report).unwrap();
        let evidence = Evidence::new(self.row.test, &outcome, report).unwrap();
        let strays = self.strays().len();
        self.world.end_with_strays(records, strays);
        evidence.write(&evidence::directory().unwrap()).unwrap();
    }

    /// Returns what reached the host past the agent, from whatever address.
    fn strays(&self) -> Vec<Observation> {
        let mut seen = self.world.system.observations().unwrap();
        seen.retain(|seen| seen.signature == SignatureFinding::Absent);
        seen
    }

    #[track_caller]
    fn outcome(&self, report: &Report, user: &str) -> Outcome {
        match (report.status, report.error.as_deref()) {
            (Some(status), _) => self.answered(status, user),
            (None, Some("ETIMEDOUT" | "EAGAIN")) => Outcome::Unanswered,
            // A new agent may end what waits in vain, as a connection from before.
            (None, Some("ECONNABORTED")) if self.row.outcome == Outcome::Unanswered => {
                Outcome::Unanswered
            }
            (None, Some(error)) => Outcome::Kernel(leaked(error)),
            (None, None) => Outcome::Passes,
        }
    }

    /// Waits until somebody has written down that he answered.
    #[track_caller]
    fn answered(&self, status: u16, user: &str) -> Outcome {
        let found = wait::until(LIMIT, || {
            if let Some(stray) = self.strays().pop() {
                assert!(!stray.accepted, "{stray:?}");
                return Ok(Some(Outcome::Host(stray.reason.unwrap())));
            }
            let records = self.world.system.audit(GUEST)?;
            let mut records = records.iter().skip(self.earlier).rev();
            let record = records.find(|record| record.status == Some(status));
            Ok::<_, SystemError>(record.map(|record| self.judged(record, user)))
        });
        found
            .unwrap()
            .unwrap_or_else(|| panic!("nobody has answered with {status}"))
    }

    /// Reads off a record what the agent did, and that it knew who asked.
    #[track_caller]
    fn judged(&self, record: &AuditRecord, user: &str) -> Outcome {
        if record.outcome == Ended::Refused {
            return Outcome::Agent(record.reason.unwrap());
        }
        assert_eq!((record.outcome, record.signed), (Ended::Forwarded, true));
        let caller = record.caller.as_ref().unwrap();
        assert_eq!(caller.user.as_deref(), Some(user), "{record:?}");
        // Whether the right caller was named, only the row can say.
        match self.row.outcome {
            Outcome::InAnothersName => Outcome::InAnothersName,
            _ => Outcome::Brokered,
        }
    }
}

/// Errors are compared with those of rows, which are part of the program.
fn leaked(error: &str) -> &'static str {
    Box::leak(error.to_owned().into_boxed_str())
}
