//! Values that a file need not give: derived from a name, so that they stay the same.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Returns a GUID that is the same for the same name.
pub(super) fn id_of(name: &str) -> Uuid {
    let mut bytes = [0; 16];
    for (byte, hashed) in bytes.iter_mut().zip(Sha256::digest(name)) {
        *byte = hashed;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Returns a locally administered hardware address that is the same for the same name.
pub(super) fn mac_of(name: &str) -> String {
    let digits: String = hex::encode_upper(Sha256::digest(name))
        .chars()
        .take(10)
        .collect();
    format!("02{digits}")
}
