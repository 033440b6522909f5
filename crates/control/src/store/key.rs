//! The latched key of a machine as the store keeps it.

use std::fmt;

use zeroize::Zeroizing;

/// A key; its text is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Its id.
    pub id: String,
    /// The incarnation that it was issued for.
    pub incarnation: u32,
    /// The document of `latchkey_protocol::latch::IssuedKey`.
    pub document: Zeroizing<String>,
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKey")
            .field("id", &self.id)
            .field("incarnation", &self.incarnation)
            .finish_non_exhaustive()
    }
}
