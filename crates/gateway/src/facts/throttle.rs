//! How many requests of a machine the metadata service answers in a second.

use serde::Deserialize;

/// The rates, none of them 0; by default the documented ones of the real service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Throttle {
    /// All requests but those about identities.
    pub requests_per_second: u32,
    /// Requests about identities.
    pub identity_requests_per_second: u32,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            requests_per_second: 5,
            identity_requests_per_second: 20,
        }
    }
}
