//! The agent of one guest: its configuration, its process, and the files by which it tells about itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use latchkey_record::{AgentStatus, AuditRecord};
use rustix::process::Signal;
use serde_json::json;

use super::{GuestPlan, LIMIT, SystemError, lines};
use crate::binaries::{self, Binary};
use crate::command::Command;
use crate::files::{self, Named as _};
use crate::guest::Guest;
use crate::process::Process;
use crate::wait;

/// How often the agent writes its status, in milliseconds.
const STATUS_INTERVAL_MS: u32 = 200;

/// The library that puts a wall clock off, where Debian has it; the loader fills in `$LIB`.
const FAKE_CLOCK: &str = "/usr/$LIB/faketime/libfaketime.so.1";

/// The soft limit that services and shells begin with; programs that need more raise it.
pub(super) const OPEN_FILES: &str = "--nofile=1024:";

/// Where an agent runs in a guest, and the agent while it does.
#[derive(Debug)]
pub(super) struct AgentSeat {
    name: String,
    directory: PathBuf,
    command: Command,
    process: Option<Process>,
}

impl AgentSeat {
    /// Makes the agent's directory and configuration.
    pub(super) fn furnish(guest: &Guest, plan: &GuestPlan) -> Result<Self, SystemError> {
        let directory = guest.dir().join("agent");
        files::create_directory(&directory, 0o700, (0, 0))?;
        let config = directory.join("agent.toml");
        files::write(&config, &configuration(guest, plan, &directory)?)?;
        let mut command = guest
            .command("root", "prlimit")
            .arg(OPEN_FILES)
            .arg(binaries::find(Binary::Agent)?)
            .arg("--config")
            .arg(&config);
        if let Some(offset) = plan.clock() {
            command = command
                .env("LD_PRELOAD", FAKE_CLOCK)
                .env("FAKETIME", offset)
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        Ok(Self {
            name: format!("latchkey-agent in {}", guest.name()),
            directory,
            command,
            process: None,
        })
    }

    pub(super) fn audit_file(&self) -> PathBuf {
        self.directory.join("audit.jsonl")
    }

    pub(super) fn state_folder(&self) -> PathBuf {
        self.directory.join("state")
    }

    pub(super) fn status_file(&self) -> PathBuf {
        self.state_folder().join("status.json")
    }

    pub(super) fn key_folder(&self) -> PathBuf {
        self.state_folder().join("keys")
    }

    pub(super) fn audit(&self) -> Result<Vec<AuditRecord>, SystemError> {
        lines::read(&self.audit_file())
    }

    pub(super) fn status(&self) -> Result<Option<AgentStatus>, SystemError> {
        let path = self.status_file();
        if !path.exists() {
            return Ok(None);
        }
        // The file is replaced whole, so it is never read half written.
        let text = files::read(&path)?;
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|source| SystemError::Malformed {
                origin: path.display().to_string(),
                text,
                source,
            })
    }

    /// Starts the agent without waiting for anything.
    pub(super) fn start(&mut self) -> Result<(), SystemError> {
        // What the run before said must not be taken for the new one's word.
        let status = self.status_file();
        files::absent_is_fine(fs::remove_file(&status)).named("remove", &status)?;
        self.process = Some(self.command.spawn()?);
        Ok(())
    }

    pub(super) fn wait_for_status(
        &mut self,
        awaited: &str,
        accept: impl Fn(&AgentStatus) -> bool,
    ) -> Result<AgentStatus, SystemError> {
        let found = wait::until(LIMIT, || {
            let status = self.status()?.filter(|status| accept(status));
            if status.is_none() && !self.process()?.is_running()? {
                return Err(SystemError::Ended {
                    name: self.name.clone(),
                    awaited: awaited.to_owned(),
                    said: self.process()?.log()?,
                });
            }
            Ok(status)
        })?;
        match found {
            Some(status) => Ok(status),
            None => Err(SystemError::NotInTime {
                awaited: format!("{}: {awaited}", self.name),
                limit: LIMIT,
                seen: format!("{:?}", self.status()?),
            }),
        }
    }

    pub(super) fn pid(&self) -> Result<u32, SystemError> {
        let process = self.process.as_ref();
        let not_running = || SystemError::NotRunning(self.name.clone());
        process.map(Process::pid).ok_or_else(not_running)
    }

    pub(super) fn kill(&mut self) -> Result<(), SystemError> {
        Ok(self.process()?.kill()?)
    }

    pub(super) fn signal(&mut self, signal: Signal) -> Result<(), SystemError> {
        Ok(self.process()?.signal(signal)?)
    }

    pub(super) fn wait_for_line(&mut self, awaited: &str) -> Result<String, SystemError> {
        Ok(self.process()?.wait_for_line(awaited, LIMIT)?)
    }

    pub(super) fn wait_for_end(&mut self) -> Result<ExitStatus, SystemError> {
        Ok(self.process()?.wait(LIMIT)?)
    }

    fn process(&mut self) -> Result<&mut Process, SystemError> {
        let process = self.process.as_mut();
        process.ok_or_else(|| SystemError::NotRunning(self.name.clone()))
    }
}

/// Returns the text of the agent's configuration file.
fn configuration(guest: &Guest, plan: &GuestPlan, directory: &Path) -> Result<String, SystemError> {
    let poll_ms = milliseconds(plan.poll_interval());
    let config = json!({
        "state_dir": directory.join("state"),
        "kernel": { "cgroup": guest.cgroup().path(), "pin_dir": guest.pin_dir() },
        "secure_channel": { "poll_interval_ms": poll_ms },
        "audit": { "file": directory.join("audit.jsonl") },
        "status": { "interval_ms": STATUS_INTERVAL_MS },
        "limits": limits(plan),
        "coverage": { "at_start": plan.measures_coverage() },
    });
    toml::to_string(&config).map_err(|error| SystemError::Unwritable {
        path: directory.join("agent.toml"),
        source: error.into(),
    })
}

/// Returns what is not as usual.
fn limits(plan: &GuestPlan) -> BTreeMap<&'static str, u64> {
    let mut limits = BTreeMap::new();
    if let Some(patience) = plan.patience() {
        for wait in [
            "head_timeout_ms",
            "body_timeout_ms",
            "host_response_timeout_ms",
        ] {
            limits.insert(wait, milliseconds(patience));
        }
    }
    if let Some((per_second, burst)) = plan.connects() {
        limits.insert("connects_per_second", per_second.into());
        limits.insert("connect_burst", burst.into());
    }
    limits
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
