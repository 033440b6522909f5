//! Holds a set of namespaces open for as long as a value lives.
//!
//! A namespace here has no name on the machine: it belongs to a *holder*, this crate's own program
//! waiting on a pipe whose other end the lab has. However the lab ends, the pipe closes, and the
//! holder kills what is left of the lab. A parent-death signal would not do: it follows the thread
//! that started the child, and tests start things from threads that end.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;
use rustix::event::PollFlags;

use crate::cgroup;
use crate::files::{self, FileError, Named as _};
use crate::id::{ProcessId, ProcessIdError};
use crate::wait::{Deadline, wait_for};

/// How long a holder may take until its namespaces stand.
const SET_UP_LIMIT: Duration = Duration::from_secs(20);

/// What a holder says when its namespaces stand.
const READY: &str = "ready";

/// Which namespaces a holder makes and every process of the node enters.
pub(crate) const KINDS: [(&str, CloneFlags); 4] = [
    ("net", CloneFlags::CLONE_NEWNET),
    ("uts", CloneFlags::CLONE_NEWUTS),
    ("ipc", CloneFlags::CLONE_NEWIPC),
    // Last: after it the machine's files may look different.
    ("mnt", CloneFlags::CLONE_NEWNS),
];

/// What a holder is to set up.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The lab's control group: the holder joins it, and kills it when the lab is gone.
    pub cgroup: PathBuf,
    /// Host name inside.
    pub hostname: String,
    /// Pairs of a file and the path at which it is seen inside.
    pub binds: Vec<(PathBuf, PathBuf)>,
}

/// Why namespaces do not stand.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The holder's process has gone.
    #[error(transparent)]
    Process(#[from] ProcessIdError),
    /// The holder could not be started.
    #[error("start `{}` to hold namespaces", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The holder ended or said something else.
    #[error("namespaces of `{hostname}` were not set up: {said}")]
    NotReady {
        /// Host name of the node.
        hostname: String,
        /// The holder's own words.
        said: String,
    },
    /// The holder took too long.
    #[error("namespaces of `{hostname}` were not set up within {SET_UP_LIMIT:?}")]
    TimedOut {
        /// Host name of the node.
        hostname: String,
    },
    /// The holder runs in the machine's own network namespace, where no address may be added.
    #[error("BUG: holder {pid} did not leave the machine's own network namespace")]
    NotSeparate {
        /// The holder's process id.
        pid: u32,
    },
    /// The kernel refused to make the namespaces.
    #[error("make namespaces; this needs root")]
    Unshare(#[source] Errno),
    /// A mount inside failed.
    #[error("mount `{}` inside the namespace", path.display())]
    Mount {
        /// The mount point.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: Errno,
    },
    /// The host name was refused.
    #[error("set host name `{hostname}`")]
    Hostname {
        /// The name.
        hostname: String,
        /// Why it failed.
        #[source]
        source: Errno,
    },
}

/// Namespaces that stand, and the process that holds them.
#[derive(Debug)]
pub struct Namespace {
    holder: Child,
    process: ProcessId,
    network: File,
}

impl Namespace {
    /// Starts a holder, whose words go to the file `log`, and waits until its namespaces stand.
    ///
    /// # Errors
    /// They could not be made, for example because the caller is not root.
    pub fn start(program: &Path, plan: &Plan, log: &Path) -> Result<Self, NamespaceError> {
        let mut holder = spawn_holder(program, plan, log)?;
        match wait_until_ready(&mut holder, plan, log).and_then(|()| open_network(holder.id())) {
            Ok((process, network)) => Ok(Self {
                holder,
                process,
                network,
            }),
            Err(error) => {
                end(&mut holder);
                Err(error)
            }
        }
    }

    /// Returns the process that holds the namespaces.
    #[must_use]
    pub fn holder(&self) -> ProcessId {
        self.process
    }

    /// Returns the network namespace.
    pub(crate) fn network(&self) -> &File {
        &self.network
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        end(&mut self.holder);
    }
}

/// Ends a holder and reaps it. Both calls can only fail if it has been reaped already.
fn end(holder: &mut Child) {
    if holder.kill().is_ok() {
        drop(holder.wait());
    }
}

fn spawn_holder(program: &Path, plan: &Plan, log: &Path) -> Result<Child, NamespaceError> {
    let mut command = Command::new(program);
    command
        .arg("hold")
        .arg("--cgroup")
        .arg(&plan.cgroup)
        .arg("--hostname")
        .arg(&plan.hostname);
    for (source, target) in &plan.binds {
        command.arg("--bind").arg(source).arg(target);
    }
    let log = File::create(log).named("create", log)?;
    command
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        // An interrupt at the terminal is for the lab, which then ends its holders itself.
        .process_group(0)
        .spawn()
        .map_err(|source| NamespaceError::Start {
            program: program.to_owned(),
            source,
        })
}

fn wait_until_ready(holder: &mut Child, plan: &Plan, log: &Path) -> Result<(), NamespaceError> {
    let hostname = plan.hostname.clone();
    let Some(stdout) = holder.stdout.take() else {
        return Err(NamespaceError::NotReady {
            hostname,
            said: "BUG: no pipe".to_owned(),
        });
    };
    let deadline = Deadline::after(SET_UP_LIMIT);
    if !wait_for(&stdout, PollFlags::IN, deadline, SET_UP_LIMIT).named("poll", log)? {
        return Err(NamespaceError::TimedOut { hostname });
    }
    let mut line = String::new();
    BufReader::new(stdout)
        .read_line(&mut line)
        .named("read the holder's words for", log)?;
    if line.trim_end() == READY {
        return Ok(());
    }
    Err(NamespaceError::NotReady {
        hostname,
        said: files::read(log)?.trim().to_owned(),
    })
}

/// Opens the holder's network namespace and makes sure that it is not the machine's.
fn open_network(pid: u32) -> Result<(ProcessId, File), NamespaceError> {
    let open = |path: &Path| -> Result<(File, u64), FileError> {
        let file = File::open(path).named("open", path)?;
        let inode = file.metadata().named("stat", path)?.ino();
        Ok((file, inode))
    };
    let process = ProcessId::of(pid)?;
    let (network, inside) = open(&PathBuf::from(format!("/proc/{pid}/ns/net")))?;
    let (_, outside) = open(Path::new("/proc/thread-self/ns/net"))?;
    if inside == outside {
        return Err(NamespaceError::NotSeparate { pid });
    }
    Ok((process, network))
}

/// Does the holder's work: makes the namespaces, says so, and waits until the lab is gone.
///
/// On return the lab's control group, and with it the caller, has been killed.
///
/// # Errors
/// The namespaces could not be made.
pub fn hold(plan: &Plan) -> Result<(), NamespaceError> {
    cgroup::join(&plan.cgroup)?;
    let flags = KINDS
        .iter()
        .fold(CloneFlags::empty(), |all, (_, flag)| all | *flag);
    unshare(flags).map_err(NamespaceError::Unshare)?;
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| NamespaceError::Mount { path, source }
    };
    // From here on no mount made inside shows up on the machine.
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).map_err(at(Path::new("/")))?;
    for (source, target) in &plan.binds {
        let none = None::<&str>;
        mount(Some(source), target, none, MsFlags::MS_BIND, none).map_err(at(target))?;
    }
    sethostname(&plan.hostname).map_err(|source| NamespaceError::Hostname {
        hostname: plan.hostname.clone(),
        source,
    })?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{READY}")
        .and_then(|()| stdout.flush())
        .named("write", Path::new("/dev/stdout"))?;
    io::copy(&mut io::stdin(), &mut io::sink()).named("read", Path::new("/dev/stdin"))?;
    cgroup::kill_all(&plan.cgroup)?;
    Ok(())
}
