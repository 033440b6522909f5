//! The guest agent: takes over redirected connections, finds out who asks, decides, signs, forwards.
//!
//! The straight way of a request: [`listener`] accepts, [`identity`] names the caller,
//! [`proxy`] reads, [`judge`] lets `latchkey-policy` decide, [`forward`] signs and sends over
//! [`upstream`], [`audit`] records. [`keys`] and [`rules`] keep what is needed for that;
//! [`app`] starts and stops it all. Refuses in Enforce whatever it cannot attribute,
//! decide or sign.

#![forbid(unsafe_code)]

pub mod admission;
pub mod alarms;
pub mod app;
pub mod audit;
pub mod audit_end;
pub mod cli;
pub mod clock;
pub mod config;
pub mod counters;
pub mod coverage;
pub mod descriptors;
pub mod failure;
pub mod file;
pub mod forward;
pub mod identity;
pub mod judge;
pub mod keys;
mod link_guard;
pub mod listener;
pub mod local_rules;
pub mod neighbourhood;
pub mod preexisting;
pub mod proxy;
pub mod redirect;
pub mod rules;
pub mod status;
pub mod upstream;
pub mod watchdog;
