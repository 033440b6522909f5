//! The process that tries the ways. It is a program of its own because only a process with a single
//! thread may take another user's place or make a user namespace.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

use super::island::Island;
use super::message::{Answer, Line, Seen, Setting, Trial};
use super::way::{Place, Way};
use super::{attempt, connect, datagram, leash, ring};
use crate::guard::unguarded;
use crate::socket::netns_cookie;

/// The sub-command by which a program becomes the probe's child; it is no part of its interface.
pub const CHILD_COMMAND: &str = "__coverage-child";

/// A user that owns nothing, as `nobody` of most systems.
const NOBODY: u32 = 65_534;

/// Returns whether the calling process was started as the probe's child.
#[must_use]
pub fn is_child() -> bool {
    std::env::args_os().nth(1).as_deref() == Some(OsStr::new(CHILD_COMMAND))
}

/// Tries ways as the probe says over standard input, which is a socket, until the probe is gone.
///
/// Call it first thing in `main`, before there is a second thread.
#[must_use]
pub fn run_child() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve() -> io::Result<()> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let mut line = Line::new(UnixStream::from(socket));
    let Some(setting) = line.receive::<Setting>()? else {
        return Ok(());
    };
    let mut stand = match Stand::take(setting) {
        Ok(stand) => stand,
        Err(answer) => return line.send(&answer),
    };
    line.send(&Answer::plain(Seen::Passed))?;
    while let Some(trial) = line.receive::<Trial>()? {
        let answer = stand.try_way(trial).unwrap_or_else(|answer| answer);
        line.send(&answer)?;
    }
    Ok(())
}

/// Where the child stands when it tries ways.
struct Stand {
    setting: Setting,
    island: Option<Island>,
}

impl Stand {
    fn take(setting: Setting) -> Result<Self, Answer> {
        let entered = enter_agents_namespace(&setting);
        entered.map_err(|error| Answer::impossible("enter the agent's network", error))?;
        let island = match setting.place {
            Place::Beside | Place::Nowhere => None,
            Place::Unprivileged => {
                // The saved id is for the sockets' filters alone; the programs do not look at it.
                become_nobody(Uid::from_raw(0))
                    .map_err(|error| Answer::impossible("become nobody", error))?;
                None
            }
            Place::Island => {
                leave(&setting, CloneFlags::CLONE_NEWNET)?;
                Some(Island::furnish(&setting.pin_dir)?)
            }
            Place::Stranger => {
                become_nobody(Uid::from_raw(NOBODY))
                    .map_err(|error| Answer::impossible("become nobody", error))?;
                leave(
                    &setting,
                    CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET,
                )?;
                None
            }
        };
        Ok(Self { setting, island })
    }

    fn try_way(&mut self, trial: Trial) -> Result<Answer, Answer> {
        if let Some(island) = &mut self.island {
            return island.try_way(trial);
        }
        match trial.way {
            Way::UdpSend | Way::UdpConnected | Way::UdpMapped | Way::UdpLite => {
                datagram::try_way(trial)
            }
            Way::RawIpv4 | Way::RawIpv4Header => datagram::try_way(trial),
            Way::IoUring | Way::IoUringPolled => ring::try_way(trial, &self.setting),
            Way::LinksGuarded => look_at_links(&self.setting),
            Way::ListenerPort => take_listeners_port(&self.setting),
            Way::UserNamespace => connect_from_nowhere(trial.endpoint),
            Way::SubCgroup => {
                enter_own_cgroup(&self.setting)?;
                connect::try_way(trial, &self.setting)
            }
            _ => connect::try_way(trial, &self.setting),
        }
    }
}

/// Makes sure that the child is where the agent listens: nowhere else may it use real devices.
fn enter_agents_namespace(setting: &Setting) -> io::Result<()> {
    if let Some(path) = &setting.namespace {
        setns(File::open(path)?, CloneFlags::CLONE_NEWNET)?;
    }
    if own_cookie()? != setting.netns_cookie {
        return Err(io::Error::other("this is another network namespace"));
    }
    leash::check_loopback()
}

fn own_cookie() -> io::Result<u64> {
    netns_cookie(rustix::net::socket(
        AddressFamily::INET,
        SocketType::DGRAM,
        None,
    )?)
}

/// Leaves for namespaces of its own, and makes sure that it did.
fn leave(setting: &Setting, namespaces: CloneFlags) -> Result<(), Answer> {
    unshare(namespaces).map_err(|error| Answer::impossible("make a namespace", error))?;
    match own_cookie() {
        Ok(cookie) if cookie != setting.netns_cookie => Ok(()),
        Ok(_) => Err(Answer::noted(
            Seen::Impossible,
            "BUG: this is still the agent's network namespace",
        )),
        Err(error) => Err(Answer::impossible("ask for the namespace", error)),
    }
}

fn become_nobody(saved: Uid) -> io::Result<()> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setgroups(&[])?;
    setresgid(group, group, group)?;
    setresuid(user, user, saved)?;
    Ok(())
}

/// A namespace without a route: what no hook refuses fails for want of one.
fn connect_from_nowhere(endpoint: SocketAddr) -> Result<Answer, Answer> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let family = connect::family_of(endpoint);
    let socket = socket_with(family, SocketType::STREAM, flags, None)
        .map_err(|error| Answer::impossible("no such socket", error))?;
    Ok(match rustix::net::connect(&socket, &endpoint) {
        Ok(()) | Err(Errno::INPROGRESS) => Answer::plain(Seen::Passed),
        Err(Errno::ADDRNOTAVAIL) => {
            Answer::noted(Seen::Passed, "only the missing address stopped it")
        }
        Err(error) => attempt::judge_error(error),
    })
}

/// A device without the guard lets packets of packet sockets and forwarded ones out.
fn look_at_links(setting: &Setting) -> Result<Answer, Answer> {
    let names = unguarded(&setting.pin_dir)
        .map_err(|error| Answer::impossible("list the network devices", io::Error::other(error)))?;
    if names.is_empty() {
        return Ok(Answer::plain(Seen::Refused));
    }
    let note = format!("without the guard: {}", names.join(", "));
    Ok(Answer::noted(Seen::Passed, &note))
}

/// What a caller does that wants to be judged as somebody else.
fn enter_own_cgroup(setting: &Setting) -> Result<(), Answer> {
    let path = setting.cgroup.join("own");
    let made = match fs::create_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    };
    let pid = std::process::id().to_string();
    made.and_then(|()| fs::write(path.join("cgroup.procs"), pid))
        .map_err(|error| Answer::impossible("make a cgroup", error))
}

/// The hook is asked before the kernel looks whether the port is free.
fn take_listeners_port(setting: &Setting) -> Result<Answer, Answer> {
    let failed = |error| Answer::impossible("make a socket", error);
    let flags = SocketFlags::CLOEXEC;
    let socket =
        socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).map_err(failed)?;
    sockopt::set_socket_reuseaddr(&socket, true).map_err(failed)?;
    Ok(match bind(&socket, &setting.listener) {
        Ok(()) => Answer::noted(Seen::Passed, "anybody may take the port"),
        Err(Errno::ADDRINUSE) => Answer::noted(Seen::Passed, "only the agent itself is in the way"),
        Err(Errno::PERM | Errno::ACCESS) => Answer::plain(Seen::Refused),
        Err(error) => Answer::impossible("bind", error),
    })
}
