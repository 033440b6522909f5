//! What is learned from logs: the profile of a log with all known traps, and properties of every profile.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up ends"
)]

mod asked;
mod deployed_log;
mod neighbours;
mod properties;
