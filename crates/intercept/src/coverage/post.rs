//! The child at one place: started when it is first needed, bounded in time, and ended with its handle.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::message::{Answer, Line, Seen, Setting, Trial};
use super::nest::Nest;
use super::probe::ChildProgram;
use super::way::Place;

/// How long the preparation at a place may take, such as starting a program or making devices.
const PREPARATION: Duration = Duration::from_secs(30);
/// How long one way may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What every child needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground<'a> {
    pub(super) program: &'a ChildProgram,
    pub(super) nest: &'a Nest,
    pub(super) setting: &'a Setting,
}

/// The child at one place; it is started when it is first needed, and again when it did not answer.
pub(super) struct Post {
    place: Place,
    child: Option<Runner>,
    /// Why no child can stand here.
    closed: Option<Answer>,
}

impl Post {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            child: None,
            closed: None,
        }
    }

    pub(super) fn ask(&mut self, ground: Ground<'_>, trial: Trial) -> Answer {
        if let Some(answer) = &self.closed {
            return answer.clone();
        }
        let child = match self.child.take() {
            Some(child) => Ok(child),
            None => Runner::start(ground, self.place),
        };
        let mut child = match child {
            Ok(child) => child,
            Err(answer) => {
                self.closed = Some(answer.clone());
                return answer;
            }
        };
        match child.ask(&trial) {
            Ok(answer) => {
                self.child = Some(child);
                answer
            }
            // It ends with its handle, and the next way gets a fresh one.
            Err(error) => Answer::impossible("the probe's child did not answer", error),
        }
    }
}

/// A running child; it ends with its handle.
struct Runner {
    process: Child,
    line: Line,
}

impl Runner {
    /// Starts a child, which does nothing before it is in its cgroup and was told its place.
    fn start(ground: Ground<'_>, place: Place) -> Result<Self, Answer> {
        let failed = |error| Answer::impossible("start the probe's child", error);
        let (own, childs) = UnixStream::pair().map_err(failed)?;
        let program = ground.program;
        let process = Command::new(&program.program)
            .args(&program.arguments)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(childs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let mut runner = Self {
            process,
            line: Line::new(own),
        };
        runner.line.set_patience(PREPARATION).map_err(failed)?;
        ground.nest.admit(runner.process.id()).map_err(failed)?;
        let setting = Setting {
            place,
            ..ground.setting.clone()
        };
        let answer = runner.ask(&setting).map_err(failed)?;
        if answer.seen == Seen::Impossible {
            return Err(answer);
        }
        runner.line.set_patience(PATIENCE).map_err(failed)?;
        Ok(runner)
    }

    fn ask(&mut self, message: &impl serde::Serialize) -> io::Result<Answer> {
        self.line.send(message)?;
        let answer = self.line.receive()?;
        answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // Both fail only when the process is gone already, which is what is wanted.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
