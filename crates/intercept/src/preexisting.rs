//! Connections that were open before they could be redirected: found with `sock_diag`, and destroyed
//! or reported.
//!
//! A connection is known by the peer that its socket really has. One that was redirected has the
//! listener as its peer, and the service's own side has the endpoint as its local address, so neither
//! is ever touched. The calling process's own sockets are left alone too.
//!
//! Not found is a socket in a network namespace that no process below the cgroup lives in.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::process::Uid;

mod namespace;
mod sock_diag;

use sock_diag::{ConnectedSocket, SockDiag};

/// What becomes of connections to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// They are destroyed: their programs see `ECONNABORTED`, their peers a reset.
    Destroy,
    /// They go on, and are reported.
    Leave,
}

/// An address and port that no connection should lead to directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The address and port; IPv4 also covers sockets that write it as `::ffff:a.b.c.d`.
    pub address: SocketAddr,
    /// What becomes of connections to it.
    pub fate: Fate,
}

/// A transport protocol with connected sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP, also under Multipath TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A connection that is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OpenConnection {
    /// The protocol.
    pub transport: Transport,
    /// Who made the socket.
    pub uid: Uid,
    /// The socket's inode number, as `/proc/PID/fd` shows it.
    pub inode: u32,
}

/// What was found of one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preexisting {
    /// The destination.
    pub destination: Destination,
    /// How many connections to it were open.
    pub found: u64,
    /// How many of them were destroyed.
    pub destroyed: u64,
    /// The others.
    pub left: Vec<OpenConnection>,
}

/// What was found, and why that may not be all.
#[derive(Debug)]
pub struct Sweep {
    /// In the order of the destinations that were asked for.
    pub destinations: Vec<Preexisting>,
    /// What could not be looked at or destroyed.
    pub problems: Vec<PreexistingError>,
}

/// Connections could not be found or destroyed.
#[derive(Debug, thiserror::Error)]
pub enum PreexistingError {
    /// The processes, whose network namespaces are looked at, could not be listed.
    #[error("list processes in {path}")]
    Processes {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There are more network namespaces than are looked at.
    #[error("more than {limit} network namespaces: the others are not looked at")]
    TooManyNamespaces {
        /// How many are.
        limit: usize,
    },
    /// A network namespace could not be entered.
    #[error("enter the network namespace {inode}")]
    Enter {
        /// Its inode number.
        inode: u64,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The process's own sockets, which are never destroyed, could not be listed.
    #[error("list the agent's own sockets in /proc/self/fd")]
    OwnSockets(#[source] io::Error),
    /// Sockets could not be listed.
    #[error("list {transport:?} sockets (needs CONFIG_INET_DIAG and CONFIG_INET_UDP_DIAG)")]
    List {
        /// Of which protocol.
        transport: Transport,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A connection could not be destroyed.
    #[error("destroy a connection to {address} (needs CONFIG_INET_DIAG_DESTROY)")]
    Destroy {
        /// Where it leads.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Looks for connections to the destinations and destroys those that shall be.
///
/// Looks at the calling thread's network namespace and at those of all processes in `cgroup` and
/// below it: only they can be intercepted, and a namespace in which no such process lives belongs to
/// somebody else's machine or container. What fails is told, and does not keep the rest from being done.
#[must_use]
pub fn end_preexisting(cgroup: &Path, destinations: &[Destination]) -> Sweep {
    let mut sweep = Sweep {
        destinations: destinations.iter().map(Preexisting::none).collect(),
        problems: Vec::new(),
    };
    for namespace in namespace::of_processes(cgroup, &mut sweep.problems) {
        if let Err(source) = namespace.enter(|| sweep.sweep_namespace()) {
            let inode = namespace.inode;
            sweep
                .problems
                .push(PreexistingError::Enter { inode, source });
        }
    }
    sweep
}

impl Preexisting {
    fn none(destination: &Destination) -> Self {
        Self {
            destination: *destination,
            found: 0,
            destroyed: 0,
            left: Vec::new(),
        }
    }
}

impl Sweep {
    /// Does what there is to do in the thread's network namespace.
    fn sweep_namespace(&mut self) {
        for transport in [Transport::Tcp, Transport::Udp] {
            match strange_sockets(transport) {
                Ok((diag, sockets)) => sockets.iter().for_each(|socket| self.settle(&diag, socket)),
                Err(problem) => self.problems.push(problem),
            }
        }
    }

    /// Does to one socket what its destination says.
    fn settle(&mut self, diag: &SockDiag, socket: &ConnectedSocket) {
        let Some(entry) = self
            .destinations
            .iter_mut()
            .find(|entry| is_same(entry.destination.address, socket.peer))
        else {
            return;
        };
        entry.found += 1;
        let fate = entry.destination.fate;
        match (fate == Fate::Destroy).then(|| diag.destroy(socket)) {
            Some(Ok(())) => entry.destroyed += 1,
            Some(Err(source)) => {
                entry.left.push(socket.open_connection());
                let address = socket.peer;
                self.problems
                    .push(PreexistingError::Destroy { address, source });
            }
            None => entry.left.push(socket.open_connection()),
        }
    }
}

/// Lists the connected sockets of the thread's network namespace but the process's own.
fn strange_sockets(
    transport: Transport,
) -> Result<(SockDiag, Vec<ConnectedSocket>), PreexistingError> {
    let failed = |source| PreexistingError::List { transport, source };
    // Before and after, so that one that is closed or opened meanwhile counts as own too.
    let mut own = own_sockets().map_err(PreexistingError::OwnSockets)?;
    let diag = SockDiag::open().map_err(failed)?;
    let mut sockets = diag.connected(transport).map_err(failed)?;
    own.extend(own_sockets().map_err(PreexistingError::OwnSockets)?);
    sockets.retain(|socket| !own.contains(&socket.inode));
    Ok((diag, sockets))
}

fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip().to_canonical() == other.ip().to_canonical()
}

/// Returns the inode numbers of the process's own sockets.
fn own_sockets() -> io::Result<HashSet<u32>> {
    let mut own = HashSet::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        // The descriptor of this very listing is gone again by the time its link is read.
        let Ok(target) = fs::read_link(entry?.path()) else {
            continue;
        };
        own.extend(target.to_str().and_then(socket_inode));
    }
    Ok(own)
}

/// Reads `socket:[4711]`.
fn socket_inode(link: &str) -> Option<u32> {
    let number = link.strip_prefix("socket:[")?.strip_suffix(']')?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_and_plain_ipv4_are_one_destination() {
        let plain: SocketAddr = "192.0.2.1:80".parse().unwrap();
        assert!(is_same(plain, "[::ffff:192.0.2.1]:80".parse().unwrap()));
        assert!(!is_same(plain, "192.0.2.1:81".parse().unwrap()));
        assert!(!is_same(plain, "192.0.2.2:80".parse().unwrap()));
    }

    #[test]
    fn only_links_to_sockets_have_an_inode() {
        assert_eq!(socket_inode("socket:[4711]"), Some(4711));
        assert_eq!(socket_inode("pipe:[4711]"), None);
        assert_eq!(socket_inode("/tmp/socket:[4711]"), None);
    }
}
