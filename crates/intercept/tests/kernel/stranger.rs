//! Somebody else with eBPF programs, as root: a manager with programs of its own, or an attacker.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(crate) struct Stranger {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Stranger {
    pub(crate) fn start() -> Self {
        let mut process = Command::new("python3")
            .args(["-c", include_str!("stranger.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start python3");
        let commands = process.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(process.stdout.take().expect("stdout is piped"));
        Self {
            process,
            commands,
            answers,
        }
    }

    /// Does one thing, see `stranger.py`, and returns `ok` or the name of the error.
    pub(crate) fn tries(&mut self, command: &str) -> String {
        writeln!(self.commands, "{command}").expect("the stranger reads commands");
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        read.expect("the stranger answers in UTF-8");
        line.trim_end().to_owned()
    }

    #[track_caller]
    pub(crate) fn does(&mut self, command: &str) {
        assert_eq!(self.tries(command), "ok", "{command}");
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // Both fail only when the process is gone already, which is what is wanted.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
