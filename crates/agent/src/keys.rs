//! The signing key: how it is got, kept on disk, proved to the host and followed when it is rolled.

pub mod channel;
pub mod keeper;
pub mod store;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use latchkey_protocol::latch::IssuedKey;

/// The key in use, shared by all requests; replaced whole.
#[derive(Clone, Debug, Default)]
pub struct KeyHolder(Arc<ArcSwapOption<IssuedKey>>);

impl KeyHolder {
    /// Returns the key that holds now; a request uses one to its end.
    #[must_use]
    pub fn current(&self) -> Option<Arc<IssuedKey>> {
        self.0.load_full()
    }

    /// Puts a key into use, or none; requests under way keep theirs.
    pub fn replace(&self, key: Option<IssuedKey>) {
        self.0.store(key.map(Arc::new));
    }
}
