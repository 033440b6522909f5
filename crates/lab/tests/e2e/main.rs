//! Host, agent and kernel programs together, asked by real clients in guests, as root on this machine.
//!
//! A missing privilege, mount or program is a failure here, not a reason to skip.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is the test's"
)]

mod agent_gone;
mod attribution;
mod bad_host;
mod bad_input;
mod bad_state;
mod boot;
mod certificates;
mod clients;
mod clocks;
mod coverage;
mod crowd;
mod following;
mod hold;
mod host_gone;
mod identity;
mod kept;
#[path = "../support/leftovers.rs"]
mod leftovers;
mod limits;
mod link_guard;
mod listener;
mod local_rules;
mod malformed;
mod names;
mod observe;
mod preexisting;
mod profile_modes;
mod raw;
mod scripted_host;
mod signals;
mod signatures;
mod starter_packs;
mod stray;
mod upstream;
mod verdicts;
mod walkthrough;
mod watchdog;
mod without_protocol;
mod world;
