//! Accepts redirected connections, bounds how many there are, and drains them when the agent stops.

use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::proxy::Proxy;

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;
/// How long to wait when the process can open no more files.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// How long open connections may finish when the agent stops.
const DRAIN: Duration = Duration::from_secs(10);

/// Opens the listening socket.
///
/// # Errors
/// When the address is taken or may not be bound.
pub fn bind(address: SocketAddrV4) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    latchkey_intercept::keep_syn(&socket)?;
    socket.bind(address.into())?;
    socket.listen(BACKLOG)
}

/// Serves connections until `stop` turns true, then lets the open ones finish for a while.
pub async fn run(
    listener: TcpListener,
    proxy: Arc<Proxy>,
    max_connections: usize,
    mut stop: watch::Receiver<bool>,
) {
    let door = Door {
        proxy,
        places: Arc::new(Semaphore::new(max_connections)),
        connections: TaskTracker::new(),
        stop: stop.clone(),
        cut_off: CancellationToken::new(),
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => door.admit(stream),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "connection cannot be accepted"
                );
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
    drop(listener);
    door.drain().await;
}

/// What every connection gets on its way in.
struct Door {
    proxy: Arc<Proxy>,
    places: Arc<Semaphore>,
    connections: TaskTracker,
    stop: watch::Receiver<bool>,
    cut_off: CancellationToken,
}

impl Door {
    fn admit(&self, stream: TcpStream) {
        // Without it small responses wait for the client's acknowledgement; nothing else breaks.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "TCP_NODELAY is not set"
            );
        }
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => {
                let (proxy, stop) = (Arc::clone(&self.proxy), self.stop.clone());
                let cut_off = self.cut_off.clone();
                self.connections.spawn(async move {
                    let serving = Box::pin(proxy.serve(stream, place, stop));
                    cut_off.run_until_cancelled(serving).await;
                });
            }
            Err(_) => {
                let proxy = Arc::clone(&self.proxy);
                self.connections
                    .spawn(async move { proxy.turn_away(stream).await });
            }
        }
    }

    /// Lets open connections finish for a while, then cuts them off: the audit trail ends only
    /// when nobody can add to it.
    async fn drain(self) {
        self.connections.close();
        let finished = tokio::time::timeout(DRAIN, self.connections.wait()).await;
        if finished.is_err() {
            tracing::warn!(open = self.connections.len(), "connections are cut off");
            self.cut_off.cancel();
            self.connections.wait().await;
        }
    }
}
