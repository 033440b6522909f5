//! The signals that the program takes: SIGTERM and SIGINT end it, SIGHUP asks for a look at the machine files.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// One kind of signal.
#[derive(Debug)]
pub struct SignalStream(Signal);

/// All signals that the program takes.
#[derive(Debug)]
pub struct Signals {
    /// SIGHUP.
    pub reload: SignalStream,
    /// SIGINT.
    pub interrupt: SignalStream,
    /// SIGTERM.
    pub terminate: SignalStream,
}

impl SignalStream {
    fn new(kind: SignalKind) -> io::Result<Self> {
        signal(kind).map(Self)
    }

    /// Waits for the next one.
    pub async fn received(&mut self) {
        // The stream ends with the runtime, and this wait with it.
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

impl Signals {
    /// Begins to take the signals.
    ///
    /// # Errors
    /// When the system does not let the program take them.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            reload: SignalStream::new(SignalKind::hangup())?,
            interrupt: SignalStream::new(SignalKind::interrupt())?,
            terminate: SignalStream::new(SignalKind::terminate())?,
        })
    }
}
