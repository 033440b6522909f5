//! The control plane: profiles, machines and people in one place, for one machine or a fleet.
//!
//! Everything is kept in a [`store::Store`]; every change is one [`store::Change`] with its entry
//! in the activity log. Every route is declared with what it takes to use it ([`guard`]).
//! Knows nothing of the guest's side of the wire: gateways ask by the forms of `latchkey-record`.

#![forbid(unsafe_code)]

pub mod clock;
pub mod guard;
pub mod principal;
pub mod resource;
pub mod respond;
pub mod store;

mod context;

pub use context::Context;
pub use principal::Principal;
