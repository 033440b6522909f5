//! Flow records: who asked for a connection that the agent accepted, taken out once.
//!
//! A connection without a record was not redirected by the kernel: there is nothing to fall back
//! to, and its caller stays unknown.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use crate::layout::{FlowKey, Identity, ProcessKey, Script, Thread};
use crate::process::{Executable, Gid, Pid, StartTime, Uid};
use crate::socket::{initial_sequence, netns_cookie};
use crate::standing::{Connection, Standing};
use crate::sys;
use crate::thread::{ExecId, ScriptPath, SupplementaryGroups, Tid};

/// The family of the socket that the caller used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressFamily {
    /// `AF_INET`.
    Ipv4,
    /// `AF_INET6`, also when the destination was written as `::ffff:a.b.c.d`.
    Ipv6,
}

/// Who asked for a connection, as the kernel saw it inside the caller's connect(2).
///
/// Numbers are those of the initial namespaces, whatever namespaces the caller lives in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    /// The process (thread group).
    pub pid: Pid,
    /// The thread that connected; it may end before its process.
    pub tid: Tid,
    /// When that process started; with `pid` it names one process until the next boot.
    pub start_time: StartTime,
    /// The real user.
    pub uid: Uid,
    /// The real group.
    pub gid: Gid,
    /// The effective user.
    pub euid: Uid,
    /// The effective group.
    pub egid: Gid,
    /// The supplementary groups of the thread that connected.
    pub supplementary_groups: SupplementaryGroups,
    /// Whether the credentials belong to the initial user namespace; only then is user 0 root.
    pub initial_user_namespace: bool,
    /// The file that the process executes.
    pub executable: Executable,
    /// Which of the process's executions connected.
    pub exec_id: ExecId,
    /// The script that the process runs, if it is known to run one.
    pub script: Option<ScriptPath>,
    /// The cgroup v2 id: the inode number of the cgroup's directory.
    pub cgroup_id: u64,
    /// The inode number of `/proc/PID/ns/mnt`.
    pub mount_namespace: u32,
    /// The inode number of `/proc/PID/ns/user`.
    pub user_namespace: u32,
    /// The cookie of the socket's network namespace, as [`netns_cookie`] returns it.
    pub network_namespace: u64,
    /// The inode number of the thread's `/proc/PID/task/TID/ns/net`, which need not be the socket's.
    pub task_network_namespace: u32,
    /// The thread's name with trailing NULs: chosen by the thread itself, for display only.
    pub comm: [u8; 16],
    /// Where the caller wanted to go.
    pub original_destination: SocketAddr,
    /// The family of the caller's socket.
    pub address_family: AddressFamily,
    /// The number that was given to the endpoint in [`InterceptedEndpoint::index`].
    ///
    /// [`InterceptedEndpoint::index`]: crate::InterceptedEndpoint::index
    pub endpoint_index: u32,
    /// The connection itself.
    pub connection: Connection,
}

impl FlowRecord {
    /// Returns whether the caller is root: effective user 0 in the initial user namespace.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.euid == Uid(0) && self.initial_user_namespace
    }
}

impl FlowRecord {
    pub(crate) fn new(
        identity: &Identity,
        script: Option<ScriptPath>,
        connection: Connection,
    ) -> Self {
        let thread = &identity.thread;
        let address = IpAddr::from(identity.original_address);
        Self {
            pid: Pid(thread.tgid),
            tid: Tid(thread.tid),
            start_time: StartTime::from_nanoseconds(thread.start_boottime_ns),
            uid: Uid(thread.uid),
            gid: Gid(thread.gid),
            euid: Uid(thread.euid),
            egid: Gid(thread.egid),
            supplementary_groups: thread.into(),
            initial_user_namespace: thread.user_namespace_level == 0,
            executable: Executable::new(identity.executable_device, identity.executable_inode)
                .of_generation(identity.executable_generation),
            exec_id: ExecId(thread.exec_id),
            script,
            cgroup_id: identity.cgroup_id,
            mount_namespace: identity.mount_namespace,
            user_namespace: thread.user_namespace,
            network_namespace: identity.netns_cookie,
            task_network_namespace: identity.network_namespace,
            comm: identity.comm,
            original_destination: SocketAddr::new(address, identity.original_port),
            address_family: match i32::from(identity.address_family) {
                libc::AF_INET => AddressFamily::Ipv4,
                _ => AddressFamily::Ipv6,
            },
            endpoint_index: identity.endpoint_index,
            connection,
        }
    }
}

/// A flow record could not be read; the caller is unknown.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// The accepted socket could not be asked about its connection.
    #[error("ask the accepted socket for its {question}")]
    Socket {
        /// What was asked.
        question: &'static str,
        /// Why there was no answer.
        #[source]
        source: io::Error,
    },
    /// The kernel's flow table could not be read.
    #[error("take a record out of the kernel's flow table")]
    Table(#[source] io::Error),
    /// The kernel could not be asked what has become of the caller.
    #[error("ask the kernel about the process of a connection")]
    Caller(#[source] io::Error),
}

impl FlowError {
    fn socket(question: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Socket { question, source }
    }
}

/// What the programs write and the agent reads about callers.
#[derive(Debug)]
pub(crate) struct KernelTables {
    pub(crate) flows: OwnedFd,
    pub(crate) scripts: OwnedFd,
    pub(crate) handovers: OwnedFd,
    /// Whether the file that a process executed is recorded.
    pub(crate) knows_executed: bool,
    /// The program that describes one thread, where the kernel has such.
    pub(crate) thread_iterator: Option<OwnedFd>,
}

impl KernelTables {
    /// Returns the script that a process runs. SECURITY: what it ran before its last exec, which
    /// may have found no room, is not what connected.
    fn script(&self, thread: &Thread) -> Result<Option<ScriptPath>, FlowError> {
        let key = ProcessKey {
            start_boottime_ns: thread.start_boottime_ns,
            tgid: thread.tgid,
            reserved: 0,
        };
        let script: Option<Script> =
            sys::map_lookup(self.scripts.as_fd(), &key, 0).map_err(FlowError::Table)?;
        Ok(script
            .filter(|script| script.exec_id == thread.exec_id)
            .map(|script| ScriptPath::from(&script)))
    }
}

/// A handle to the kernel's flow records; clones share their descriptors.
#[derive(Clone, Debug)]
pub struct FlowTable {
    tables: Arc<KernelTables>,
}

impl FlowTable {
    pub(crate) fn new(tables: KernelTables) -> Self {
        Self {
            tables: Arc::new(tables),
        }
    }

    /// Finds out what has become of a caller since it connected. Does not block.
    ///
    /// # Errors
    ///
    /// [`FlowError`] when the kernel cannot be asked; the caller is then as good as unknown.
    pub fn standing(&self, flow: &FlowRecord) -> Result<Standing, FlowError> {
        self.tables.standing(flow)
    }

    /// Takes the record of an accepted connection out of the table; the kernel gives it out once.
    ///
    /// `None` means that the caller is unknown: the connection was not redirected, its record was
    /// taken before, the table was full, the listener did not [keep the SYN](crate::keep_syn), or
    /// the caller has closed or reset it meanwhile. The connection must then be refused before
    /// anything on it is parsed. Does not block.
    ///
    /// # Errors
    ///
    /// [`FlowError`] when the socket is not a TCP socket or the table cannot be read.
    pub fn take(&self, accepted: impl AsFd) -> Result<Option<FlowRecord>, FlowError> {
        let socket = accepted.as_fd();
        let Some((peer, local)) = addresses(socket)? else {
            return Ok(None);
        };
        let netns = netns_cookie(socket).map_err(FlowError::socket("network namespace"))?;
        // SECURITY: sockets that are bound to different devices may share all addresses and ports,
        // and a connection that was closed or reset may still be accepted and read while somebody
        // else connects from where it came. The number that its own SYN carried tells them apart.
        let Some(sequence) = initial_sequence(socket).map_err(FlowError::socket("SYN"))? else {
            return Ok(None);
        };
        let key = FlowKey::new(netns, peer, local, sequence);
        let identity: Option<Identity> =
            sys::map_take(self.tables.flows.as_fd(), &key).map_err(FlowError::Table)?;
        let Some(identity) = identity else {
            return Ok(None);
        };
        let connection = Connection::new(key, Arc::clone(&self.tables));
        let script = self.tables.script(&identity.thread)?;
        Ok(Some(FlowRecord::new(&identity, script, connection)))
    }
}

/// Returns both ends of a connection, the caller's first, or `None` if it was reset.
fn addresses(socket: BorrowedFd<'_>) -> Result<Option<(SocketAddr, SocketAddr)>, FlowError> {
    let peer = match rustix::net::getpeername(socket) {
        Ok(peer) => peer,
        Err(rustix::io::Errno::NOTCONN) => return Ok(None),
        Err(error) => return Err(FlowError::socket("peer")(error.into())),
    };
    let local = rustix::net::getsockname(socket)
        .map_err(io::Error::from)
        .map_err(FlowError::socket("address"))?;
    Ok(peer.and_then(|peer| {
        Some((
            SocketAddr::try_from(peer).ok()?,
            SocketAddr::try_from(local).ok()?,
        ))
    }))
}
