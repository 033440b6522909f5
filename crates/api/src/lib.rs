//! The native API of the control plane as data: what its requests and responses hold.
//!
//! Plain types, shared by the server, the `latchkey` tool and whatever is generated from the
//! `OpenAPI` document. Field names are a contract. No form has a place for a key.

#![forbid(unsafe_code)]

pub mod page;
pub mod permission;
pub mod problem;

pub use page::Page;
pub use permission::{Permission, Role};
pub use problem::Problem;
