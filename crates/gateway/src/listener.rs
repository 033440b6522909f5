//! One listener: accepts, admits, serves; connections end with it, between two requests.

use std::sync::Arc;
use std::time::Duration;

use latchkey_protocol::Endpoint;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::admission::{Admission, Gate, Source};
use crate::service::{Ending, Gateway, Ingress};

/// How long to wait after a failed accept: the usual cause is too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound socket and what is known of all that comes through it.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: Arc<TcpListener>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) interface: Option<Arc<str>>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) gate: Arc<Gate>,
}

impl Listener {
    /// Accepts until `drain` turns true, then waits for the connections that are open.
    pub(crate) async fn run(self, mut drain: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        let observed = drain.clone();
        loop {
            let accepted = tokio::select! {
                _ = drain.wait_for(|draining| *draining) => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, source)) => {
                    let ingress = Ingress {
                        endpoint: Arc::clone(&self.endpoint),
                        source,
                        interface: self.interface.clone(),
                    };
                    self.admit(stream, ingress, &observed, &mut connections);
                }
                Err(error) => {
                    warn!(%error, "connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.socket);
        while connections.join_next().await.is_some() {}
    }

    fn admit(
        &self,
        stream: TcpStream,
        ingress: Ingress,
        drain: &watch::Receiver<bool>,
        connections: &mut JoinSet<()>,
    ) {
        // Answers are written in one piece; waiting for more would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "connection was gone before it was served");
            return;
        }
        let (gateway, drain) = (Arc::clone(&self.gateway), drain.clone());
        let source = match gateway.identify(&ingress) {
            Some(machine) => Source::Machine(machine.id.clone()),
            None => Source::Stranger(ingress.interface.clone()),
        };
        match self.gate.admit(source) {
            Admission::Served(place) => {
                connections.spawn(async move {
                    if let Ending::BrokenOff(stream) = gateway.serve(stream, &ingress, drain).await
                    {
                        reset(&stream);
                    }
                    drop(place);
                });
            }
            Admission::TurnedAway(place) => {
                connections.spawn(async move {
                    gateway.turn_away(stream).await;
                    drop(place);
                });
            }
            Admission::Closed => gateway.close_unserved(),
        }
    }
}

/// Makes the close a reset: after an orderly one, a client of HTTP/1.0 takes what it has for the
/// whole answer.
fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        debug!(%error, "connection could not be reset");
    }
}
