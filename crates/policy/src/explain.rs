//! The whole reasoning behind a decision, as a value for people and programs.
//!
//! Not a second decision: verdict, reason, rule and mode are those of [`decide()`], and what stands
//! beside them (which privileges cover the request, who has them, why the caller is none of these)
//! is asked of the same compiled rules, without their index.

use jiff::Timestamp;
use latchkey_protocol::request::Meaning;
use latchkey_protocol::{Caller, Elevation, EndpointKind, Reason, Request};
use serde::Serialize;

use crate::decide::{Decision, decide};
use crate::endpoint::{EndpointPolicy, KeyState};
use crate::judge::{Signing, Verdict};
use crate::rules::Access;

mod mode;
mod privilege;
mod tree;

pub use mode::{ModeSource, ModeTrace};
pub use privilege::{FailedSelector, IdentityTrace, PrivilegeTrace};

/// Why a request was decided as it was. Its JSON form only grows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What becomes of the request.
    pub verdict: Verdict,
    /// Why it is refused, or in Enforce would be.
    pub reason: Option<Reason>,
    /// What in the rules was decisive; absent when they were not asked.
    pub rule: Option<String>,
    /// What was asked for.
    pub request: RequestTrace,
    /// Who asked, and whether the endpoint serves such callers at all.
    pub caller: CallerTrace,
    /// What the rules say; absent when there are none yet.
    pub rules: Option<RulesTrace>,
    /// The mode that counted, and why that one.
    pub mode: ModeTrace,
    /// Whether the request travels signed.
    pub signed: bool,
}

/// What was asked for, and what it means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestTrace {
    /// The kind of the endpoint.
    pub endpoint: EndpointKind,
    /// The method.
    pub method: String,
    /// The target as received.
    pub target: String,
    /// The one meaning of the target; absent when it is ambiguous.
    pub canonical: Option<CanonicalForm>,
    /// Why two parsers could read the request differently.
    pub ambiguous: Option<Reason>,
}

/// A target in canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CanonicalForm {
    /// The path: decoded, in lower case, without empty segments.
    pub path: String,
    /// Whether a slash followed the path.
    pub trailing_slash: bool,
    /// Names and values of the query parameters, decoded, in lower case.
    pub query_parameters: Vec<(String, String)>,
}

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallerTrace {
    /// Whether the caller is root.
    pub is_root: bool,
    /// Whether the endpoint serves root alone, in every mode but Disabled.
    pub root_required: bool,
    /// Why the caller cannot be described; no identity is tried then.
    pub unknown: Option<Reason>,
}

/// What the rules say about the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RulesTrace {
    /// The id that the host gave the profile; absent for the default rules.
    pub id: Option<String>,
    /// The hash of the profile's content.
    pub hash: String,
    /// What happens to requests that no privilege covers.
    pub default_access: Access,
    /// The privileges that cover the request, the longest path first.
    pub privileges: Vec<PrivilegeTrace>,
}

/// Explains what [`decide()`] decides about the same request, caller, policy, key and time.
#[must_use]
pub fn explain(
    request: &Request,
    caller: &Caller,
    policy: &EndpointPolicy,
    key: KeyState,
    now: Timestamp,
) -> Explanation {
    let decision = decide(request.clone(), caller, policy, key, now);
    let rules = policy.rules().map(|rules| RulesTrace {
        id: rules.id().map(str::to_owned),
        hash: rules.content_hash().to_owned(),
        default_access: rules.default_access(),
        privileges: privilege::covering(rules, request, caller, now),
    });
    Explanation {
        verdict: decision.verdict(),
        reason: decision.reason(),
        rule: decision.basis().rule().map(ToString::to_string),
        request: RequestTrace::of(request),
        caller: CallerTrace {
            is_root: caller.elevation == Elevation::Root,
            root_required: policy.kind().is_root_only(),
            unknown: caller.attributes.as_ref().err().copied(),
        },
        rules,
        mode: mode::trace(&decision, request, policy, now),
        signed: is_signed(&decision),
    }
}

fn is_signed(decision: &Decision) -> bool {
    matches!(decision, Decision::Permitted(permit) if permit.signing() == Signing::Signed)
}

impl RequestTrace {
    fn of(request: &Request) -> Self {
        let (canonical, ambiguous) = match request.meaning() {
            Meaning::Ambiguous(reason) => (None, Some(*reason)),
            Meaning::Canonical(target) => {
                let form = CanonicalForm {
                    path: target.path().to_owned(),
                    trailing_slash: target.has_trailing_slash(),
                    query_parameters: target.parameters().to_vec(),
                };
                (Some(form), None)
            }
        };
        Self {
            endpoint: request.endpoint(),
            method: request.head().method.to_string(),
            target: request.head().target.clone(),
            canonical,
            ambiguous,
        }
    }
}

#[cfg(test)]
mod tests;
