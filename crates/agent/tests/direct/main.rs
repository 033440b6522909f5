//! The agent in one process: real proxy, key keeper and audit trail; fake kernel, client and host on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that finds something else than it expects ends"
)]

mod admission;
mod bed;
mod client;
mod flow;
mod host;
mod profile;

mod change;
mod description;
mod drain;
mod framing;
mod hold;
mod keeper;
mod modes;
mod pool;
mod presence;
mod response;
mod signing;
