//! Describes a program to run in a node, and runs it to its end or in the background.
//!
//! The program starts with a clean environment: nothing of the caller's leaks in but what is given.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::account::{AccountFiles, Credentials};
use crate::binaries::{self, Binary};
use crate::cgroup::{self, Cgroup};
use crate::entry::{Environment, environment};
use crate::files::{FileError, Named as _};
use crate::pid_namespace::PidNamespace;
use crate::process::{Process, ProcessError, readable};

/// Where a command runs: all that it needs to know about its node.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) holder: u32,
    pub(crate) cgroup: PathBuf,
    pub(crate) accounts: AccountFiles,
    /// The directory for what programs write.
    pub(crate) logs: PathBuf,
    /// Numbers the logs of the node.
    pub(crate) next_log: Arc<AtomicU32>,
    /// Which processes it sees.
    pub(crate) pids: PidNamespace,
}

impl Place {
    /// Creates a log that no other run of a program uses.
    fn new_log(&self, program: &OsStr) -> Result<(PathBuf, File), FileError> {
        let number = self.next_log.fetch_add(1, Ordering::Relaxed);
        let base = Path::new(program).file_name().unwrap_or(program);
        let path = self
            .logs
            .join(format!("{number:03}-{}.log", base.display()));
        let file = File::options().append(true).create_new(true).open(&path);
        file.named("create", &path).map(|file| (path, file))
    }
}

/// A program to run in a node, as a user of that node.
#[derive(Debug, Clone)]
#[must_use = "a command does nothing until `output` or `spawn`"]
pub struct Command {
    place: Place,
    user: String,
    program: OsString,
    arguments: Vec<OsString>,
    variables: Environment,
    input: Vec<u8>,
    directory: PathBuf,
}

impl Command {
    pub(crate) fn new(place: Place, user: &str, program: &OsStr) -> Self {
        Self {
            place,
            user: user.to_owned(),
            program: program.to_owned(),
            arguments: Vec::new(),
            variables: Vec::new(),
            input: Vec::new(),
            directory: PathBuf::from("/"),
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments
            .extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable, in addition to `PATH`, `HOME`, `USER` and `LANG`.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.variables
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Gives the program something to read; without it standard input is empty.
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Sets the working directory, which is `/` otherwise.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// Starts the program in a control group below the node's, which is its own otherwise.
    pub fn in_cgroup(mut self, cgroup: &Cgroup) -> Self {
        cgroup.path().clone_into(&mut self.place.cgroup);
        self
    }

    /// Runs the program to its end and returns what it wrote.
    ///
    /// Exit codes 125, 126 and 127 may also say that it could not be entered, executed or found;
    /// standard error tells.
    ///
    /// # Errors
    /// It did not end within `limit` (then it has been killed), or could not be started.
    pub fn output(&self, limit: Duration) -> Result<Output, ProcessError> {
        // Files and not pipes: a program that ended may have left a child that keeps a pipe open.
        let stdout = unnamed_file(&[])?;
        let (path, log) = self.place.new_log(&self.program)?;
        let mut process = self.start(share(&stdout)?, Stdio::from(log), path.clone())?;
        let status = process.wait(limit)?;
        let written = content(&stdout).named("read", Path::new("output of the program"))?;
        let stderr = process.log()?;
        // The caller has it now; what stays behind are the logs of what went wrong.
        fs::remove_file(&path).named("remove", &path)?;
        Ok(Output {
            status,
            stdout: written,
            stderr,
        })
    }

    /// Starts the program in the background; its output goes to its log.
    ///
    /// On return the process is in the node's control group, but it may not have become the
    /// program yet: wait for a line of it before looking at its user or executable.
    ///
    /// # Errors
    /// It could not be started.
    pub fn spawn(&self) -> Result<Process, ProcessError> {
        let (path, log) = self.place.new_log(&self.program)?;
        self.start(share(&log)?, Stdio::from(log), path)
    }

    /// Starts the lab's own program, which enters the node and becomes the program.
    fn start(&self, stdout: Stdio, stderr: Stdio, log: PathBuf) -> Result<Process, ProcessError> {
        let credentials = self.place.accounts.lookup(&self.user)?;
        let helper = binaries::find(Binary::Lab)?;
        let mut command = process::Command::new(&helper);
        command.arg("exec").args(self.entry_arguments(&credentials));
        command.arg("--").arg(&self.program).args(&self.arguments);
        command
            .env_clear()
            .envs(environment(&self.user, &credentials.home))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(unnamed_file(&self.input)?)
            .stdout(stdout)
            .stderr(stderr)
            // A group of its own: a kill takes the children too, an interrupt at the terminal not.
            .process_group(0);
        let spawned = self.place.pids.spawn(&mut command);
        let child = spawned.map_err(|source| ProcessError::Kernel {
            operation: "start",
            name: self.name(),
            source,
        })?;
        let process = Process::new(self.name(), child, log)?;
        // It joins by itself too, before anything else. This makes sure that a lab which ends right
        // now finds it in the group.
        cgroup::add(&self.place.cgroup, process.pid())?;
        Ok(process)
    }

    fn entry_arguments(&self, credentials: &Credentials) -> Vec<OsString> {
        let groups: Vec<String> = credentials.groups.iter().map(u32::to_string).collect();
        vec![
            format!("--holder={}", self.place.holder).into(),
            "--cgroup".into(),
            self.place.cgroup.clone().into(),
            format!("--uid={}", credentials.uid).into(),
            format!("--gid={}", credentials.gid).into(),
            format!("--groups={}", groups.join(",")).into(),
            "--directory".into(),
            self.directory.clone().into(),
        ]
    }

    fn name(&self) -> String {
        format!("{} (as {})", self.program.display(), self.user)
    }
}

/// How a program ended and what it wrote.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output, as it was written.
    pub stdout: Vec<u8>,
    /// Its standard error, readable.
    pub stderr: String,
}

impl Output {
    /// Returns whether the program ended with exit code 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// Returns the exit code, or nothing if a signal ended the program.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Returns standard output as text; bytes that are no text are escaped.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        readable(&self.stdout)
    }
}

/// Returns a second handle of an open file, for a child.
fn share(file: &File) -> Result<Stdio, FileError> {
    file.try_clone()
        .map(Stdio::from)
        .named("share", Path::new("output file"))
}

/// Returns what is in a file. A child that still writes to it is not disturbed, so the position,
/// which it shares, is left alone.
fn content(file: &File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        let length = file.read_at(&mut chunk, content.len() as u64)?;
        match chunk.get(..length) {
            Some(read) if !read.is_empty() => content.extend_from_slice(read),
            _ => return Ok(content),
        }
    }
}

/// Returns a file without a name that holds `content` and is read from its beginning.
fn unnamed_file(content: &[u8]) -> Result<File, FileError> {
    let make = || -> io::Result<File> {
        let mut file = tempfile::tempfile()?;
        file.write_all(content)?;
        file.rewind()?;
        Ok(file)
    };
    make().named("create a file in", &std::env::temp_dir())
}
