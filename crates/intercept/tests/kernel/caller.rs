//! A process in the intercepted cgroup that opens connections on command; it ends with its handle.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use latchkey_intercept::Pid;

/// What a caller executes.
pub(crate) const SOURCE: &str = concat!(include_str!("packets.py"), include_str!("caller.py"));

/// Where a caller lives besides the cgroup.
pub(crate) enum Namespace {
    /// The namespaces of the test.
    Own,
    /// A network namespace of its own, with the addresses that `sh` sets up there.
    Network { setup: &'static str },
    /// A user namespace of its own, in which it is root.
    User,
}

pub(crate) struct Caller {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Ends its first thread without anything that the C library would do at the end of a thread.
const LEAVES: &str = "\
import ctypes, os, sys, threading
source = sys.argv[1]
threading.Thread(target=lambda: exec(source, {'__name__': 'caller'})).start()
ctypes.CDLL(None).syscall({'x86_64': 60, 'aarch64': 93}[os.uname().machine], 0)
";

impl Caller {
    pub(crate) fn start(cgroup: &Path, namespace: &Namespace) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""])
            .arg(cgroup);
        match namespace {
            Namespace::Own => {}
            Namespace::Network { setup } => {
                let inside = format!("{setup} && exec \"$@\"");
                command.args(["unshare", "--net", "sh", "-e", "-c", &inside, "sh"]);
            }
            Namespace::User => {
                command.args(["unshare", "--user", "--map-root-user"]);
            }
        }
        command.args(["python3", "-c", SOURCE]);
        Self::spawn(command)
    }

    /// Starts a script that holds the text of the caller.
    pub(crate) fn script(cgroup: &Path, folder: &Path, path: &Path) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""])
            .arg(cgroup)
            .arg(path)
            .current_dir(folder);
        Self::spawn(command)
    }

    /// Starts such a script where this process is.
    pub(crate) fn outside(path: &Path) -> Self {
        Self::spawn(Command::new(path))
    }

    /// Starts a caller whose first thread leaves the work to another one, and ends.
    pub(crate) fn without_first_thread(cgroup: &Path) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""])
            .arg(cgroup)
            .args(["python3", "-c", LEAVES, SOURCE]);
        Self::spawn(command)
    }

    /// Starts a caller where this process is, by a program that runs another one: what it executes
    /// has so little memory that it can do without its file.
    pub(crate) fn by_loader(loader: &Path, program: &Path) -> Self {
        let mut command = Command::new(loader);
        command.arg(program).args(["-c", SOURCE]);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start sh");
        let commands = process.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(process.stdout.take().expect("stdout is piped"));
        let mut caller = Self {
            process,
            commands,
            answers,
        };
        assert_eq!(
            caller.answer(),
            "ready",
            "the caller does not start; see its error output"
        );
        caller
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid(self.process.id())
    }

    /// Sends a command and returns its answer: a value, `ok`, or the name of the error.
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.answer()
    }

    /// Sends a command without waiting for its answer.
    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the caller reads commands");
    }

    /// Returns the next answer; the caller's own alarm bounds the wait.
    pub(crate) fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .expect("the caller answers in UTF-8");
        line.trim_end().to_owned()
    }

    /// Stops what `start-connecting` began and returns the number of attempts.
    pub(crate) fn attempts_that_all_failed(&mut self) -> u64 {
        let answer = self.ask("stop-connecting");
        let (successes, attempts) = answer.split_once(" of ").expect("two numbers");
        assert_eq!(successes, "0", "connections reached the endpoint: {answer}");
        attempts.parse().expect("a number")
    }

    /// Opens a socket and connects it.
    pub(crate) fn connect(&mut self, kind: &str, destination: &str) -> String {
        assert_eq!(self.ask(&format!("open {kind}")), "ok");
        self.ask(&format!("connect {destination}"))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // Both fail only when the process is gone already, which is what is wanted.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
