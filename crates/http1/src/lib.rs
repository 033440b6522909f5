//! A strict HTTP/1 server connection: reads what has one meaning, refuses the rest, writes responses.
//!
//! The agent and the gateway share it. `hyper` is not used on this side because it hides
//! what must be refused: it drops a `Content-Length` after a `Transfer-Encoding`, joins
//! equal lengths, accepts bare line feeds, and answers malformed heads by itself, without
//! a reason and without an audit record. Knows no endpoint, rule or key.

#![forbid(unsafe_code)]

mod chunked;
mod connection;
mod problem;
mod response;

pub use connection::{Connection, KeepAlive, Limits, ReadError, WriteError};
pub use problem::problem;
