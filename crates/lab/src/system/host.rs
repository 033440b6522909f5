//! The host program: its configuration, its machine files, its process, and what it tells.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use latchkey_record::Observation;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::agent::OPEN_FILES;
use super::{GuestPlan, LIMIT, SystemError, lines};
use crate::binaries::{self, Binary};
use crate::command::Command;
use crate::files::{self, Named as _};
use crate::lab::Lab;
use crate::network::METADATA_ADDRESS;
use crate::process::Process;
use crate::wait;

/// Where the admin interface listens, in the host's own network namespace.
const ADMIN: &str = "127.0.0.1:9420";

/// How many endpoints a guest has: IMDS, `WireServer`, `HostGAPlugin`.
const ENDPOINTS: usize = 3;

/// A metadata service behind the host's IMDS endpoint.
#[derive(Debug, Clone)]
pub(super) struct Upstream {
    url: String,
    headers: Vec<(String, String)>,
}

impl Upstream {
    pub(super) fn new(url: &str, headers: &[(&str, &str)]) -> Self {
        let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            url: url.to_owned(),
            headers: headers.iter().map(own).collect(),
        }
    }

    /// Returns the endpoint's section of the host's configuration.
    fn section(&self) -> Value {
        let headers: BTreeMap<_, _> = self.headers.iter().cloned().collect();
        json!({
            "addresses": [METADATA_ADDRESS],
            "upstream": self.url,
            "upstream_headers": headers,
        })
    }
}

/// Where the host program runs, and the program while it does.
#[derive(Debug)]
pub(super) struct HostSeat {
    directory: PathBuf,
    command: Command,
    process: Option<Process>,
}

impl HostSeat {
    /// Makes the host's directory and configuration.
    pub(super) fn furnish(lab: &Lab, imds: Option<&Upstream>) -> Result<Self, SystemError> {
        let directory = lab.host().dir().join("latchkey");
        for path in [&directory, &directory.join("machines")] {
            files::create_directory(path, 0o755, (0, 0))?;
        }
        let config = directory.join("host.toml");
        files::write(&config, &configuration(&directory, imds)?)?;
        let command = lab
            .host()
            .command("root", "prlimit")
            .arg(OPEN_FILES)
            .arg(binaries::find(Binary::Host)?)
            .arg("--config")
            .arg(&config);
        Ok(Self {
            directory,
            command,
            process: None,
        })
    }

    pub(super) fn machine_file(&self, guest: &str) -> PathBuf {
        let machines = self.directory.join("machines");
        machines.join(guest).with_extension("json")
    }

    pub(super) fn observations_file(&self) -> PathBuf {
        self.directory.join("observations.jsonl")
    }

    pub(super) fn observations(&self) -> Result<Vec<Observation>, SystemError> {
        lines::read(&self.observations_file())
    }

    /// Writes a guest's machine file; the host sees the old one or the new one.
    pub(super) fn write_machine(&self, lab: &Lab, plan: &GuestPlan) -> Result<(), SystemError> {
        let path = self.machine_file(plan.name());
        let text = plan.machine(lab.guest(plan.name())?);
        let text =
            serde_json::to_string_pretty(&text).map_err(|error| SystemError::Unwritable {
                path: path.clone(),
                source: error.into(),
            })?;
        // The host takes no file of this extension for a machine.
        let draft = path.with_extension("draft");
        files::write(&draft, &text)?;
        fs::rename(&draft, &path).named("rename to", &path)?;
        Ok(())
    }

    /// Starts the host and waits until it listens for every guest.
    pub(super) fn start(&mut self, lab: &Lab) -> Result<(), SystemError> {
        let mut process = self.command.spawn()?;
        let ready = wait::until(LIMIT, || {
            if !process.is_running()? {
                return Err(SystemError::Ended {
                    name: "latchkey-host".to_owned(),
                    awaited: "it listens for every guest".to_owned(),
                    said: process.log()?,
                });
            }
            // Until it listens there is nothing to read.
            let status = self.admin(lab, "/status").ok();
            Ok(status.filter(|status| listens_for_all(status, lab)))
        })?;
        if ready.is_none() {
            return Err(SystemError::NotInTime {
                awaited: "latchkey-host listens for every guest".to_owned(),
                limit: LIMIT,
                seen: process.log()?,
            });
        }
        self.process = Some(process);
        Ok(())
    }

    /// Reads a document of the admin interface, from inside the host.
    pub(super) fn admin(&self, lab: &Lab, path: &str) -> Result<Value, SystemError> {
        let url = format!("http://{ADMIN}{path}");
        let answer = lab
            .host()
            .command("root", "curl")
            .args(["--disable", "--silent", "--fail", "--max-time", "5", &url])
            .output(LIMIT)?;
        serde_json::from_slice(&answer.stdout).map_err(|source| SystemError::Malformed {
            origin: url,
            text: answer.stdout_text(),
            source,
        })
    }

    pub(super) fn terminate(&mut self) -> Result<ExitStatus, SystemError> {
        let process = self.process()?;
        process.terminate()?;
        Ok(process.wait(LIMIT)?)
    }

    pub(super) fn kill(&mut self) -> Result<(), SystemError> {
        Ok(self.process()?.kill()?)
    }

    pub(super) fn signal(&mut self, signal: Signal) -> Result<(), SystemError> {
        Ok(self.process()?.signal(signal)?)
    }

    fn process(&mut self) -> Result<&mut Process, SystemError> {
        let not_running = || SystemError::NotRunning("latchkey-host".to_owned());
        self.process.as_mut().ok_or_else(not_running)
    }
}

/// Whether the status shows every endpoint bound on every guest's interface.
fn listens_for_all(status: &Value, lab: &Lab) -> bool {
    let none = Vec::new();
    let listeners = status["listeners"].as_array().unwrap_or(&none);
    lab.guests().iter().all(|guest| {
        let bound = listeners.iter().filter(|listener| {
            listener["interface"] == guest.interface() && listener["problem"].is_null()
        });
        bound.count() == ENDPOINTS
    })
}

/// Returns the text of the host's configuration file.
fn configuration(directory: &Path, imds: Option<&Upstream>) -> Result<String, SystemError> {
    let endpoints = imds.map_or_else(|| json!({}), |imds| json!({ "imds": imds.section() }));
    let config = json!({
        "state_dir": directory.join("state"),
        "machines_dir": directory.join("machines"),
        "observations_file": directory.join("observations.jsonl"),
        "admin": { "listen": ADMIN },
        "endpoints": endpoints,
    });
    toml::to_string(&config).map_err(|error| SystemError::Unwritable {
        path: directory.join("host.toml"),
        source: error.into(),
    })
}
