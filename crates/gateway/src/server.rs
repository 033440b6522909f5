//! The listeners: one for each endpoint and interface, so that the ingress interface is a fact of the kernel.
//!
//! Follows the machine table and the interfaces: a new interface gets its listeners, one
//! that no machine names loses them, one that was made anew gets new ones. What cannot be
//! bound is tried again and shown; at the start, an address that cannot be had at all ends
//! the server.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use latchkey_protocol::Endpoint;
use nix::sys::socket::{getsockopt, sockopt};
use serde::Serialize;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tracing::{debug, info, warn};

use crate::admission::{ConnectionLimits, Gate};
use crate::listener::Listener;
use crate::service::Gateway;

const BACKLOG: u32 = 1024;
/// How often listeners are looked at that may have lost their interface, or never had it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long open connections may take to finish their request at the end.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// Accepts the connections of all machines, on a tokio runtime.
#[derive(Debug)]
pub struct Server {
    gateway: Arc<Gateway>,
    endpoints: Vec<Arc<Endpoint>>,
    gate: Arc<Gate>,
    running: HashMap<Slot, Running>,
    tasks: JoinSet<()>,
    state: ListenerStates,
    changes: watch::Receiver<()>,
}

/// Where the server listens, or fails to; follows the server.
pub type ListenerStates = Arc<ArcSwap<Vec<ListenerState>>>;

/// One listener as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerState {
    /// The endpoint's name.
    pub endpoint: String,
    /// The address; as bound, when it is.
    pub address: SocketAddr,
    /// The interface whose packets it takes; without, those of every other one.
    pub interface: Option<String>,
    /// Why it is not bound.
    pub problem: Option<String>,
}

/// Why the server ended.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address cannot be had.
    #[error("cannot listen on {address} for endpoint `{endpoint}`{}", on(interface.as_deref()))]
    Bind {
        /// The endpoint's name.
        endpoint: String,
        /// The address.
        address: SocketAddr,
        /// The interface.
        interface: Option<String>,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A listener ended by itself.
    #[error("a listener ended by itself")]
    ListenerEnded,
}

/// The error of a device that does not exist, on Linux.
const ENODEV: i32 = 19;

impl ServerError {
    /// Returns whether waiting may help: the interface does not exist yet.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Bind { source, .. } if source.raw_os_error() == Some(ENODEV))
    }

    fn cause(&self) -> String {
        match self {
            Self::Bind { source, .. } => source.to_string(),
            Self::ListenerEnded => self.to_string(),
        }
    }
}

fn on(interface: Option<&str>) -> String {
    interface
        .map(|interface| format!(" on interface `{interface}`"))
        .unwrap_or_default()
}

/// What makes one listener different from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Slot {
    address: SocketAddr,
    interface: Option<String>,
    /// Whether bound and unbound listeners share the port.
    shared: bool,
}

#[derive(Debug)]
struct Running {
    socket: Arc<TcpListener>,
    address: SocketAddr,
    drain: watch::Sender<bool>,
}

impl Running {
    /// Returns whether the socket still takes the packets of the slot's interface.
    ///
    /// SECURITY: a socket is bound to an interface's index. When an interface is deleted and made
    /// anew under its name, as for a guest that restarts, its packets would pass by the socket and
    /// reach the one for machines without an interface.
    fn serves(&self, slot: &Slot) -> bool {
        match &slot.interface {
            None => true,
            Some(interface) => getsockopt(&*self.socket, sockopt::BindToDevice)
                .is_ok_and(|device| device == **interface),
        }
    }
}

impl Server {
    /// Listens on these endpoints for the gateway's machines, and accepts from then on. An
    /// interface that does not exist yet may come later; all else must be there.
    ///
    /// # Errors
    /// When an address cannot be had.
    pub fn bind(
        gateway: Arc<Gateway>,
        endpoints: &[Endpoint],
        limits: ConnectionLimits,
    ) -> Result<Self, ServerError> {
        let mut changes = gateway.machine_changes();
        changes.mark_unchanged();
        let mut server = Self {
            gateway,
            endpoints: endpoints.iter().cloned().map(Arc::new).collect(),
            gate: Gate::new(limits),
            running: HashMap::new(),
            tasks: JoinSet::new(),
            state: ListenerStates::default(),
            changes,
        };
        match server
            .reconcile()
            .into_iter()
            .find(|error| !error.may_pass())
        {
            Some(error) => Err(error),
            None => Ok(server),
        }
    }

    /// Returns where the server listens, now and later.
    #[must_use]
    pub fn state(&self) -> ListenerStates {
        Arc::clone(&self.state)
    }

    /// Serves until `drain` turns true, then lets open requests finish.
    ///
    /// # Errors
    /// When a listener ends by itself.
    pub async fn run(mut self, mut drain: watch::Receiver<bool>) -> Result<(), ServerError> {
        let mut look = interval(LOOK_EVERY);
        let outcome = loop {
            tokio::select! {
                _ = drain.wait_for(|draining| *draining) => break Ok(()),
                changed = self.changes.changed() => if changed.is_ok() { self.follow_machines() },
                _ = look.tick() => if self.has_problem() { self.follow_machines() },
                Some(Err(_panicked)) = self.tasks.join_next() => break Err(ServerError::ListenerEnded),
            }
        };
        self.finish().await;
        outcome
    }

    fn follow_machines(&mut self) {
        for error in self.reconcile() {
            let error: &dyn std::error::Error = &error;
            debug!(error, "listener is not bound, will be tried again");
        }
    }

    fn has_problem(&self) -> bool {
        let is_unbound = |listener: &ListenerState| listener.problem.is_some();
        self.state.load().iter().any(is_unbound)
            || self
                .running
                .iter()
                .any(|(slot, running)| !running.serves(slot))
    }

    /// Makes the listeners be those that the machines need.
    fn reconcile(&mut self) -> Vec<ServerError> {
        let wanted = self.wanted();
        self.running.retain(|slot, running| {
            let is_wanted = wanted.iter().any(|(wanted, _)| wanted == slot) && running.serves(slot);
            if !is_wanted {
                info!(address = %running.address, interface = slot.interface, "listener closed");
                running.drain.send_replace(true);
            }
            is_wanted
        });
        let mut errors = Vec::new();
        let mut states = Vec::with_capacity(wanted.len());
        for (slot, endpoint) in wanted {
            let outcome = self.ensure(&slot, &endpoint);
            states.push(ListenerState {
                endpoint: endpoint.name.clone(),
                address: *outcome.as_ref().unwrap_or(&slot.address),
                interface: slot.interface,
                problem: outcome.as_ref().err().map(ServerError::cause),
            });
            errors.extend(outcome.err());
        }
        self.state.store(Arc::new(states));
        errors
    }

    fn wanted(&self) -> Vec<(Slot, Arc<Endpoint>)> {
        let interfaces = self.gateway.machines().interfaces();
        let shared = interfaces.len() > 1 && interfaces.contains(&None);
        let mut wanted = Vec::new();
        for interface in interfaces {
            for endpoint in &self.endpoints {
                let slot = |address: &IpAddr| Slot {
                    address: SocketAddr::new(*address, endpoint.port),
                    interface: interface.clone(),
                    shared,
                };
                let slots = endpoint.addresses.iter().map(slot);
                wanted.extend(slots.map(|slot| (slot, Arc::clone(endpoint))));
            }
        }
        wanted
    }

    /// Binds a listener unless it is bound, and returns its address.
    fn ensure(&mut self, slot: &Slot, endpoint: &Arc<Endpoint>) -> Result<SocketAddr, ServerError> {
        if let Some(running) = self.running.get(slot) {
            return Ok(running.address);
        }
        let bound = bind(slot).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, socket) = bound.map_err(|source| ServerError::Bind {
            endpoint: endpoint.name.clone(),
            address: slot.address,
            interface: slot.interface.clone(),
            source,
        })?;
        info!(endpoint = endpoint.name, %address, interface = slot.interface, "listener bound");
        let (drain, drained) = watch::channel(false);
        let socket = Arc::new(socket);
        let listener = Listener {
            socket: Arc::clone(&socket),
            endpoint: Arc::clone(endpoint),
            interface: slot.interface.as_deref().map(Arc::from),
            gateway: Arc::clone(&self.gateway),
            gate: Arc::clone(&self.gate),
        };
        self.tasks.spawn(listener.run(drained));
        let running = Running {
            socket,
            address,
            drain,
        };
        self.running.insert(slot.clone(), running);
        Ok(address)
    }

    async fn finish(mut self) {
        for (_, running) in self.running.drain() {
            running.drain.send_replace(true);
        }
        let ended = timeout(DRAIN_DEADLINE, async {
            while self.tasks.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            warn!("connections were still open at the end of the drain, and were cut");
        }
    }
}

/// Binds a listener that takes the packets of one interface, or of every one that no other
/// listener is bound to.
fn bind(slot: &Slot) -> io::Result<TcpListener> {
    let socket = match slot.address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    // The kernel lets a device-bound and an unbound listener have one port only so; without
    // need it stays off, since it would let a second host program share the port.
    socket.set_reuseport(slot.shared)?;
    if let Some(interface) = &slot.interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    socket.bind(slot.address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests;
