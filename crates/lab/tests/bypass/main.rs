//! Every way round the redirect that we know of, each tried by a test that is named after its claim.
//!
//! What each must come to stands in `latchkey_lab::bypass`; the table of all is
//! `docs/security/bypass-matrix.md`. Like the end-to-end tests these need root.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is the test's"
)]

mod agent;
mod container;
mod control_group;
mod credentials;
mod datagram;
mod destination;
mod executable;
mod handing;
#[path = "../support/leftovers.rs"]
mod leftovers;
mod listener;
mod namespace;
mod packet;
mod stream;
mod trial;
mod uring;
#[expect(
    dead_code,
    reason = "made for the end-to-end tests, which use all of it"
)]
#[path = "../e2e/world.rs"]
mod world;
