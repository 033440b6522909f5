//! The signing key: how it is got, kept on disk, proved to the host and followed when it is rolled.

pub mod channel;
pub mod keeper;
pub mod store;

use std::sync::Arc;

use latchkey_protocol::latch::IssuedKey;
use tokio::sync::watch;

/// The key in use, shared by all requests; replaced whole.
#[derive(Clone, Debug, Default)]
pub struct KeyHolder(Arc<watch::Sender<Option<Arc<IssuedKey>>>>);

impl KeyHolder {
    /// Returns the key that holds now; a request uses one to its end.
    #[must_use]
    pub fn current(&self) -> Option<Arc<IssuedKey>> {
        self.0.borrow().clone()
    }

    /// Puts a key into use, or none; requests under way keep theirs.
    pub fn replace(&self, key: Option<IssuedKey>) {
        self.0.send_replace(key.map(Arc::new));
    }

    /// Watches for replacements from now on.
    #[must_use]
    pub fn changes(&self) -> KeyChanges {
        KeyChanges(self.0.subscribe())
    }
}

/// Tells when the key in use is replaced.
#[derive(Debug)]
pub struct KeyChanges(watch::Receiver<Option<Arc<IssuedKey>>>);

impl KeyChanges {
    /// Waits until the key is replaced; `false` when it never will be again.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}
