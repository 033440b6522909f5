//! What a system's host observes, and what it is told about its guests.

use std::path::PathBuf;
use std::process::ExitStatus;

use latchkey_protocol::EndpointKind;
use latchkey_record::Observation;
use rustix::process::Signal;
use serde_json::Value;

use super::{GuestPlan, System, SystemError};

impl System {
    /// Returns what the host has observed so far, secure channel included.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn observations(&self) -> Result<Vec<Observation>, SystemError> {
        self.host.observations()
    }

    /// Returns what the host has observed of a guest so far, the secure channel left out: the
    /// requests of the guest's programs.
    ///
    /// # Errors
    /// As [`System::observations`].
    pub fn observed(&self, guest: &str) -> Result<Vec<Observation>, SystemError> {
        let mut observations = self.observations()?;
        observations
            .retain(|seen| seen.machine.as_deref() == Some(guest) && !is_channel_call(seen));
        Ok(observations)
    }

    /// Returns the file that the host appends its observations to.
    #[must_use]
    pub fn observations_file(&self) -> PathBuf {
        self.host.observations_file()
    }

    /// Returns the document at a path of the host's admin interface, such as `/status`.
    ///
    /// # Errors
    /// The interface does not answer with JSON.
    pub fn admin(&self, path: &str) -> Result<Value, SystemError> {
        self.host.admin(&self.lab, path)
    }

    /// Ends the host with SIGTERM; what it has observed is then complete in its file.
    ///
    /// # Errors
    /// It does not end within [`LIMIT`].
    pub fn terminate_host(&mut self) -> Result<ExitStatus, SystemError> {
        self.host.terminate()
    }

    /// Starts the host, which must not run, and waits until it listens for every guest.
    ///
    /// # Errors
    /// It does not within [`LIMIT`](super::LIMIT), or it ended.
    pub fn start_host(&mut self) -> Result<(), SystemError> {
        self.host.start(&self.lab)
    }

    /// Kills the host with SIGKILL and reaps it; what it had not written yet is lost.
    ///
    /// # Errors
    /// It was never started.
    pub fn kill_host(&mut self) -> Result<(), SystemError> {
        self.host.kill()
    }

    /// Sends a signal to the host.
    ///
    /// # Errors
    /// It was never started.
    pub fn signal_host(&mut self, signal: Signal) -> Result<(), SystemError> {
        self.host.signal(signal)
    }

    /// Returns the file that describes a guest to the host. The host looks at it each second.
    #[must_use]
    pub fn machine_file(&self, guest: &str) -> PathBuf {
        self.host.machine_file(guest)
    }

    /// Changes what holds for a guest and writes its machine file anew; the host follows by itself.
    ///
    /// # Errors
    /// There is no such guest, or the file cannot be written.
    pub fn change(
        &mut self,
        guest: &str,
        change: impl FnOnce(GuestPlan) -> GuestPlan,
    ) -> Result<(), SystemError> {
        let plan = change(self.plan(guest)?.clone());
        self.host.write_machine(&self.lab, &plan)?;
        self.plans.insert(guest.to_owned(), plan);
        Ok(())
    }

    /// Asks for a new key of a guest, by raising its key incarnation; returns the new one.
    ///
    /// # Errors
    /// As [`System::change`].
    pub fn rotate_key(&mut self, guest: &str) -> Result<u32, SystemError> {
        self.change(guest, GuestPlan::with_next_key)?;
        Ok(self.plan(guest)?.key_incarnation())
    }
}

/// Whether a request was a call of the secure channel, which agents make by themselves.
#[must_use]
pub fn is_channel_call(seen: &Observation) -> bool {
    let target = seen.target.as_deref().unwrap_or_default();
    seen.endpoint == EndpointKind::WireServer && target.starts_with("/secure-channel/")
}
