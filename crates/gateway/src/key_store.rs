//! Where latched keys outlive the process: a seam, so that the gateway knows no storage engine.
//!
//! A store that cannot say what is latched is an error, never "nothing is latched": that
//! would let the first caller latch a new key.

use crate::latch::MachineKey;
use crate::machine::MachineId;

/// The error of a storage engine.
pub type StorageError = Box<dyn std::error::Error + Send + Sync>;

/// Keeps the latched key of each machine. Calls may block; they come from a thread that may.
pub trait KeyStore: Send + Sync {
    /// Returns the latched key of a machine; nothing only when none was ever saved.
    ///
    /// # Errors
    /// When the store cannot tell, or what it holds is no key.
    fn load(&self, machine: &MachineId) -> Result<Option<MachineKey>, KeyStoreError>;

    /// Replaces the latched key of a machine; durable when it returns.
    ///
    /// # Errors
    /// When the key may not outlive a power failure.
    fn save(&self, machine: &MachineId, key: &MachineKey) -> Result<(), KeyStoreError>;
}

/// Why a key could not be loaded or saved. Never holds any part of a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// The store cannot be read.
    #[error("cannot load the latched key of machine `{machine}`")]
    Load {
        /// Whose key.
        machine: MachineId,
        /// What the storage engine says.
        #[source]
        source: StorageError,
    },
    /// What the store holds is no key.
    #[error("the stored key of machine `{machine}` is damaged")]
    Damaged {
        /// Whose key.
        machine: MachineId,
        /// What is wrong with it.
        #[source]
        source: StorageError,
    },
    /// The store cannot be written.
    #[error("cannot save the latched key of machine `{machine}`")]
    Save {
        /// Whose key.
        machine: MachineId,
        /// What the storage engine says.
        #[source]
        source: StorageError,
    },
}
