//! Access control profiles: which documents are valid, what they mean, and the one decision about a request.
//!
//! [`RuleSet::compile`] turns a profile as it travels into rules, or names everything
//! that is wrong with it; there is no half-valid profile. [`decide()`] is the only source
//! of a [`Permit`], and nothing may be forwarded without one.
//!
//! Knows no runtime, file, clock or environment: the agent, the host and the tests call
//! the very same functions.

#![forbid(unsafe_code)]

pub mod case;
pub mod content;
pub mod decide;
pub mod diff;
pub mod document;
pub mod endpoint;
pub mod explain;
pub mod export;
pub mod judge;
pub mod learn;
pub mod lint;
pub mod local;
mod meaning;
pub mod merge;
mod program;
pub mod rules;
mod sensitive;
pub mod simulate;
mod validate;

pub use content::content_hash;
pub use decide::{Basis, Decision, Permit, Refusal, decide};
pub use document::{InvalidProfile, ProblemKind, ProfileProblem};
pub use endpoint::{EndpointPolicy, KeyState};
pub use explain::{Explanation, explain};
pub use judge::{Finding, KnownIdentities, Question, Signing, Subject, Verdict};
pub use lint::lint;
pub use local::LocalRules;
pub use rules::{Access, Rule, RuleSet};
