//! Measures what the attached programs cover on the running kernel, instead of assuming it.
//!
//! Each [`Way`] to reach an endpoint is tried by a child process in a cgroup of its own below the
//! attached one. No attempt can leave the machine, also where nothing is protected:
//!
//! - In the agent's network namespace every socket is bound to the loopback device before it is
//!   used, so whatever is not rewritten or refused ends there, and a TCP socket takes packets from
//!   nobody but the agent's listener.
//! - What cannot be held there (packet sockets, forwarded packets, sockets on another device) is
//!   tried in a network namespace of the child's own. Its devices are taps whose other end is the
//!   child itself.
//!
//! A brokered connection is closed without a byte, so the agent has no request to record.

mod attempt;
mod child;
mod connect;
mod datagram;
mod error;
mod island;
mod leash;
mod message;
mod nest;
mod packet;
mod post;
mod probe;
mod protection;
mod report;
mod ring;
mod sys;
mod table;
mod tap;
mod way;

pub use child::{CHILD_COMMAND, is_child, run_child};
pub use error::CoverageError;
pub use probe::{ChildProgram, Probe, Progress, measure};
pub use report::{Coverage, EndpointCoverage, Outcome, Verdict};
pub use way::Way;
