//! HTTP/1 on both sides of a proxy: a strict server connection, and pooled connections to servers ([`client`]).
//!
//! The agent and the gateway share it. `hyper` is the client and not the server because it hides
//! what a server must refuse: it drops a `Content-Length` after a `Transfer-Encoding`, joins
//! equal lengths, accepts bare line feeds, and answers malformed heads by itself, without
//! a reason and without an audit record. Knows no endpoint, rule or key.

#![forbid(unsafe_code)]

mod chunked;
pub mod client;
mod connection;
mod problem;
mod response;

pub use connection::{Connection, KeepAlive, Limits, ReadError, WriteError};
pub use problem::problem;
