//! The host's side of the Metadata Security Protocol: which machine asks, is it signed, the answer.
//!
//! Holds the key latch ([`latch`], [`key_service`]), the signature check ([`verify`]), the
//! way of a request ([`service`]), the listeners ([`server`]), emulators of the metadata
//! services ([`emulator`]) and the way to real ones ([`upstream`]). Knows no storage engine and no control plane:
//! [`key_store::KeyStore`] and [`observe::ObservationSink`] are what it needs of them.

#![forbid(unsafe_code)]

mod admission;
mod answer;
mod backend;
pub mod certificate;
mod channel;
pub mod clock;
mod counters;
pub mod emulator;
mod envelope;
pub mod facts;
pub mod key_service;
pub mod key_store;
pub mod latch;
mod listener;
pub mod machine;
pub mod observe;
pub mod redacted;
pub mod server;
pub mod service;
mod signed_message;
pub mod upstream;
pub mod verify;

pub use admission::ConnectionLimits;
pub use counters::CounterValues;
pub use key_service::KeyService;
pub use key_store::{KeyStore, KeyStoreError};
pub use latch::MachineKey;
pub use machine::{Machine, MachineId, MachineTable};
pub use service::{Gateway, Ingress};
