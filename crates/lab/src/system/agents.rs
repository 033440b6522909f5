//! What a system's agents tell, and what is done to them, by the name of their guest.

use std::path::PathBuf;
use std::process::ExitStatus;

use latchkey_record::{AgentStatus, AuditRecord};
use rustix::process::Signal;

use super::agent::AgentSeat;
use super::{LIMIT, System, SystemError};
use crate::wait;

impl System {
    /// Returns the audit records that a guest's agent has written so far, all its runs together.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn audit(&self, guest: &str) -> Result<Vec<AuditRecord>, SystemError> {
        self.agent(guest)?.audit()
    }

    /// Waits until a guest's agent has written at least `count` audit records, and returns all.
    ///
    /// # Errors
    /// It has not within [`LIMIT`].
    pub fn wait_for_audit(
        &self,
        guest: &str,
        count: usize,
    ) -> Result<Vec<AuditRecord>, SystemError> {
        let found = wait::until(LIMIT, || {
            let records = self.audit(guest)?;
            Ok::<_, SystemError>((records.len() >= count).then_some(records))
        })?;
        found.ok_or_else(|| SystemError::NotInTime {
            awaited: format!("{count} audit records of `{guest}`"),
            limit: LIMIT,
            seen: format!("{:?}", self.audit(guest)),
        })
    }

    /// Returns what a guest's agent last wrote to its status file, or nothing if it never has.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn status(&self, guest: &str) -> Result<Option<AgentStatus>, SystemError> {
        self.agent(guest)?.status()
    }

    /// Waits until a guest's agent writes a status that `accept` accepts, and returns it.
    ///
    /// # Errors
    /// It has not within [`LIMIT`], or it ended.
    pub fn wait_for_status(
        &mut self,
        guest: &str,
        awaited: &str,
        accept: impl Fn(&AgentStatus) -> bool,
    ) -> Result<AgentStatus, SystemError> {
        self.agent_mut(guest)?.wait_for_status(awaited, accept)
    }

    /// Waits until a guest's agent is healthy, in the modes of its machine.
    ///
    /// # Errors
    /// It is not within [`LIMIT`], or it ended.
    pub fn wait_until_served(&mut self, guest: &str) -> Result<AgentStatus, SystemError> {
        let plan = self.plan(guest)?.clone();
        self.wait_for_status(guest, "healthy, in the modes of its machine", |status| {
            status.healthy && plan.modes_are(status)
        })
    }

    /// Returns the file that a guest's agent appends its audit records to.
    ///
    /// # Errors
    /// The guest has no agent.
    pub fn audit_file(&self, guest: &str) -> Result<PathBuf, SystemError> {
        Ok(self.agent(guest)?.audit_file())
    }

    /// Returns the status file of a guest's agent.
    ///
    /// # Errors
    /// The guest has no agent.
    pub fn status_file(&self, guest: &str) -> Result<PathBuf, SystemError> {
        Ok(self.agent(guest)?.status_file())
    }

    /// Returns the folder in which a guest's agent keeps its state.
    ///
    /// # Errors
    /// The guest has no agent.
    pub fn state_folder(&self, guest: &str) -> Result<PathBuf, SystemError> {
        Ok(self.agent(guest)?.state_folder())
    }

    /// Returns the folder in which a guest's agent keeps its keys.
    ///
    /// # Errors
    /// The guest has no agent.
    pub fn key_folder(&self, guest: &str) -> Result<PathBuf, SystemError> {
        Ok(self.agent(guest)?.key_folder())
    }

    /// Returns the process id of a guest's agent.
    ///
    /// # Errors
    /// It was never started.
    pub fn agent_pid(&self, guest: &str) -> Result<u32, SystemError> {
        self.agent(guest)?.pid()
    }

    /// Starts a guest's agent, which must not run, without waiting for anything.
    ///
    /// # Errors
    /// The guest has no agent, or its process cannot be started.
    pub fn start_agent(&mut self, guest: &str) -> Result<(), SystemError> {
        self.agent_mut(guest)?.start()
    }

    /// Kills a guest's agent with SIGKILL and reaps it.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill_agent(&mut self, guest: &str) -> Result<(), SystemError> {
        self.agent_mut(guest)?.kill()
    }

    /// Sends a signal to a guest's agent.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal_agent(&mut self, guest: &str, signal: Signal) -> Result<(), SystemError> {
        self.agent_mut(guest)?.signal(signal)
    }

    /// Waits until a guest's agent has logged a line that contains `awaited`, and returns the line.
    ///
    /// # Errors
    /// It has not within [`LIMIT`], or it ended.
    pub fn wait_for_agent_line(
        &mut self,
        guest: &str,
        awaited: &str,
    ) -> Result<String, SystemError> {
        self.agent_mut(guest)?.wait_for_line(awaited)
    }

    /// Waits for a guest's agent to end by itself.
    ///
    /// # Errors
    /// It does not within [`LIMIT`]; then it has been killed.
    pub fn wait_for_agent_end(&mut self, guest: &str) -> Result<ExitStatus, SystemError> {
        self.agent_mut(guest)?.wait_for_end()
    }

    /// Ends a guest's agent with SIGTERM and waits until it has drained; its audit trail is then
    /// complete.
    ///
    /// # Errors
    /// It does not end within [`LIMIT`].
    pub fn terminate_agent(&mut self, guest: &str) -> Result<ExitStatus, SystemError> {
        self.signal_agent(guest, Signal::TERM)?;
        self.wait_for_agent_end(guest)
    }

    fn agent(&self, guest: &str) -> Result<&AgentSeat, SystemError> {
        let found = self.agents.get(guest);
        found.ok_or_else(|| SystemError::NoAgent(guest.to_owned()))
    }

    fn agent_mut(&mut self, guest: &str) -> Result<&mut AgentSeat, SystemError> {
        let found = self.agents.get_mut(guest);
        found.ok_or_else(|| SystemError::NoAgent(guest.to_owned()))
    }
}
