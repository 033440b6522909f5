//! The gateway driven in process, with raw bytes over in-memory streams.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod attested;
mod certificates;
mod channel;
mod enforcement;
mod extensions;
mod host;
mod hostga;
mod identity;
mod imds;
mod openssl;
mod scheduled_events;
mod server;
mod throttle;
mod traces;
mod upstream;
mod upstream_failure;
mod wireserver;
