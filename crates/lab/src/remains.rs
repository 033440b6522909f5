//! What a lab has outside of its namespaces: control groups, pins, a directory.
//!
//! It goes with its value, also when the lab was only half built.

use std::io::{self, Write as _};

use crate::cgroup::Cgroup;
use crate::files;
use crate::id::LabId;
use crate::lab::LabError;
use crate::logs;
use crate::pins;
use crate::sweep::{self, SweepError, Traces};

/// What a lab has outside of its namespaces; on drop it is removed, and every process killed.
#[derive(Debug)]
pub(crate) struct Remains {
    id: LabId,
    traces: Traces,
    are_removed: bool,
}

impl Remains {
    /// Makes the lab's control group and directories, after a sweep of what dead labs have left.
    pub(crate) fn create() -> Result<Self, LabError> {
        let turn = sweep::take_turn()?;
        for problem in sweep::sweep_in_turn()?.problems {
            // Another lab's leftover is no reason not to start this one.
            tell(&format!(
                "latchkey-lab: left by a dead lab: {}",
                chain(&problem)
            ));
        }
        pins::ensure_mounted()?;
        drop(turn);
        let id = LabId::next()?;
        let remains = Self {
            id,
            traces: Traces::of(id)?,
            are_removed: false,
        };
        Cgroup::create(remains.traces.cgroup.path().to_owned())?;
        pins::create(&remains.traces.pins)?;
        files::create_directory(&remains.traces.directory, 0o755, (0, 0))?;
        Ok(remains)
    }

    /// Returns the lab's name.
    pub(crate) fn id(&self) -> LabId {
        self.id
    }

    /// Returns the places in which the lab has something.
    pub(crate) fn traces(&self) -> &Traces {
        &self.traces
    }

    /// Ends every process of the lab and removes everything of it.
    pub(crate) fn remove(&mut self) -> Result<(), SweepError> {
        self.are_removed = true;
        self.traces.remove()
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tell(&logs::ends(&self.traces.directory));
        }
        if self.are_removed {
            return;
        }
        if let Err(error) = self.remove() {
            tell(&format!(
                "latchkey-lab: lab {} is not removed: {}",
                self.id,
                chain(&error)
            ));
        }
    }
}

/// Returns an error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Writes a line to standard error, for want of a caller to return it to.
fn tell(line: &str) {
    // If even that fails there is nobody left to tell.
    drop(writeln!(io::stderr(), "{line}"));
}
