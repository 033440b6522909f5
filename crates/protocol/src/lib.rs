//! The pure core of the Metadata Security Protocol: what a request means, who asked, how it is signed.
//!
//! Holds the one reading of an HTTP request ([`head`], [`request`], [`target`]), the
//! endpoints ([`endpoint`]), the callers ([`caller`], [`flag`], [`unit`]), the closed list of refusals
//! ([`reason`]), the deployed signature scheme ([`signature`]) and the secure channel's
//! messages ([`status`], [`latch`], [`authorization`]).
//!
//! Knows no runtime, file, clock or environment: the agent, the gateway, the tests and
//! the fuzzers call the very same functions.

#![forbid(unsafe_code)]

pub mod audit_end;
pub mod authorization;
pub mod caller;
pub mod claims;
pub mod endpoint;
pub mod flag;
pub mod head;
pub mod header;
pub mod key;
pub mod latch;
pub mod mode;
pub mod object;
pub mod reason;
pub mod request;
pub mod signature;
pub mod status;
pub mod target;
pub mod unit;

pub use audit_end::AuditEnd;
pub use caller::{Attributes, Caller, Elevation};
pub use claims::Claims;
pub use endpoint::{Endpoint, EndpointKind, EndpointTable};
pub use flag::{Flag, Flags};
pub use head::{Framing, RequestHead};
pub use key::{KeyId, SigningKey};
pub use mode::Mode;
pub use reason::Reason;
pub use request::{Request, Upload};
