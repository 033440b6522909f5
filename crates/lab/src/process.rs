//! A program that runs in a node for as long as its guard lives.
//!
//! It is waited for and signalled by descriptor, never by a number that could meanwhile belong to
//! another process, and nothing waits for it without a limit.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open,
    pidfd_send_signal, waitid,
};

use crate::files;
use crate::wait::{self, Deadline, wait_for};

pub use self::error::ProcessError;

mod error;

/// How long a killed program may take until it has ended.
const KILL_LIMIT: Duration = Duration::from_secs(20);

/// How long a stopped program may take until all its threads stand still.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How often a log is looked at while waiting for a line in it.
const LOG_STEP: Duration = Duration::from_millis(10);

/// A running program; dropping it kills it with its process group and reaps it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    descriptor: OwnedFd,
    log: PathBuf,
    status: Option<ExitStatus>,
}

impl Process {
    /// Takes over a child that leads a process group and writes to the file `log`.
    pub(crate) fn new(name: String, mut child: Child, log: PathBuf) -> Result<Self, ProcessError> {
        // The child has not been waited for, so its id cannot have been given to another process.
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(descriptor) => Ok(Self {
                name,
                child,
                descriptor,
                log,
                status: None,
            }),
            Err(source) => {
                if child.kill().is_ok() {
                    drop(child.wait());
                }
                Err(ProcessError::Kernel {
                    operation: "watch",
                    name,
                    source: source.into(),
                })
            }
        }
    }

    /// Returns the program's process id in the machine's pid namespace.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the file that standard output and standard error go to.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Returns what the program has written so far; bytes that are no text are escaped.
    ///
    /// # Errors
    /// The log cannot be read, for example because its lab is gone.
    pub fn log(&self) -> Result<String, ProcessError> {
        Ok(readable(&files::read_bytes(&self.log)?))
    }

    /// Waits until the program has written a line that contains `awaited`, and returns that line.
    ///
    /// # Errors
    /// It ended or the time ran out before; the error shows what it wrote instead.
    pub fn wait_for_line(
        &mut self,
        awaited: &str,
        limit: Duration,
    ) -> Result<String, ProcessError> {
        let deadline = Deadline::after(limit);
        loop {
            // Asked before the log is read: what it wrote last must not be missed.
            let status = self.poll(deadline, LOG_STEP)?;
            let said = self.log()?;
            if let Some(line) = complete_lines(&said).find(|line| line.contains(awaited)) {
                return Ok(line.to_owned());
            }
            let (name, awaited) = (self.name.clone(), awaited.to_owned());
            if let Some(status) = status {
                return Err(ProcessError::Ended {
                    name,
                    status,
                    awaited,
                    said,
                });
            }
            if deadline.has_passed() {
                return Err(ProcessError::Silent {
                    name,
                    limit,
                    awaited,
                    said,
                });
            }
        }
    }

    /// Returns whether the program has not ended yet.
    ///
    /// # Errors
    /// The kernel refused to look.
    pub fn is_running(&mut self) -> Result<bool, ProcessError> {
        let now = Deadline::after(Duration::ZERO);
        Ok(self.poll(now, Duration::ZERO)?.is_none())
    }

    /// Waits for the program to end by itself. It is killed if it takes longer than `limit`.
    ///
    /// # Errors
    /// It took longer, or the kernel refused to wait.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus, ProcessError> {
        if let Some(status) = self.poll(Deadline::after(limit), limit)? {
            return Ok(status);
        }
        self.kill()?;
        Err(ProcessError::TimedOut {
            name: self.name.clone(),
            limit,
            said: self.log()?,
        })
    }

    /// Asks the program to end (SIGTERM); [`Process::wait`] tells when it has.
    ///
    /// # Errors
    /// The kernel refused; that it has ended already is success.
    pub fn terminate(&self) -> Result<(), ProcessError> {
        self.signal(Signal::TERM)
    }

    /// Sends a signal to the program alone, not to its children. After SIGSTOP all its threads
    /// stand still.
    ///
    /// # Errors
    /// The kernel refused; that it has ended already is success.
    pub fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        match pidfd_send_signal(&self.descriptor, signal) {
            Ok(()) if signal == Signal::STOP => self.wait_until_stopped(),
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(source) => Err(self.kernel("signal", source.into())),
        }
    }

    /// Waits for the last thread: until then one may still take up a connection.
    fn wait_until_stopped(&self) -> Result<(), ProcessError> {
        let options = WaitIdOptions::STOPPED
            | WaitIdOptions::EXITED
            | WaitIdOptions::NOWAIT
            | WaitIdOptions::NOHANG;
        wait::until(STOP_LIMIT, || {
            waitid(WaitId::PidFd(self.descriptor.as_fd()), options)
        })
        .map_err(|source| self.kernel("watch", source.into()))?
        .map(drop)
        .ok_or_else(|| ProcessError::Runs {
            name: self.name.clone(),
            limit: STOP_LIMIT,
        })
    }

    /// Kills the program and its process group (SIGKILL) and reaps it.
    ///
    /// # Errors
    /// The kernel refused, or it has not ended in time; that it has ended already is success.
    pub fn kill(&mut self) -> Result<(), ProcessError> {
        if self.status.is_some() {
            return Ok(());
        }
        // The leader is not reaped yet, so the group's number is still its own.
        match kill_process_group(Pid::from_child(&self.child), Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(source) => return Err(self.kernel("kill", source.into())),
        }
        match self.poll(Deadline::after(KILL_LIMIT), KILL_LIMIT)? {
            Some(_) => Ok(()),
            None => Err(ProcessError::Survives {
                name: self.name.clone(),
                limit: KILL_LIMIT,
            }),
        }
    }

    /// Waits at most `step` for the end and returns the status if it has come.
    fn poll(
        &mut self,
        deadline: Deadline,
        step: Duration,
    ) -> Result<Option<ExitStatus>, ProcessError> {
        if self.status.is_none() {
            let ended = wait_for(self.descriptor.as_fd(), PollFlags::IN, deadline, step)
                .map_err(|source| self.kernel("watch", source))?;
            if ended {
                self.reap()?;
            }
        }
        Ok(self.status)
    }

    fn reap(&mut self) -> Result<ExitStatus, ProcessError> {
        let status = self
            .child
            .wait()
            .map_err(|source| self.kernel("wait for", source))?;
        self.status = Some(status);
        Ok(status)
    }

    fn kernel(&self, operation: &'static str, source: io::Error) -> ProcessError {
        ProcessError::Kernel {
            operation,
            name: self.name.clone(),
            source,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nobody is left to tell; what survives dies with the control group of the node.
        drop(self.kill());
    }
}

/// Returns the lines that have been written to their end.
fn complete_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'))
}

/// Returns output for people to read: as it is if it is UTF-8, else with its bytes escaped.
#[must_use]
pub fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_is_not_a_line() {
        assert_eq!(
            complete_lines("one\ntwo\nthr").collect::<Vec<_>>(),
            ["one", "two"]
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_escaped_not_lost() {
        assert_eq!(readable("gültig".as_bytes()), "gültig");
        assert_eq!(readable(b"\xff\x00"), "\\xff\\x00");
    }
}
