//! The versioned forms that leave a process: audit records, observations, status, coverage, reports,
//! and what gateway and control tell each other.
//!
//! Plain data with serde forms; field names are a contract with everybody who stores or
//! queries them. No form has a place for a key, a token or a signature.

#![forbid(unsafe_code)]

pub mod audit;
pub mod caller;
pub mod coverage;
pub mod link;
pub mod observation;
pub mod protection;
pub mod report;
pub mod status;

pub use audit::AuditRecord;
pub use caller::CallerRecord;
pub use coverage::Coverage;
pub use observation::Observation;
pub use protection::ProtectionStatus;
pub use status::AgentStatus;
