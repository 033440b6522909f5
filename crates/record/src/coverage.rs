//! What an agent's kernel programs cover on its machine, as measured: a verdict for each way round.

use jiff::Timestamp;
use latchkey_protocol::Mode;
use serde::{Deserialize, Serialize};

/// The version of this form.
pub const COVERAGE_VERSION: u32 = 1;

/// One measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Coverage {
    /// [`COVERAGE_VERSION`].
    pub version: u32,
    /// When it ended.
    pub time: Timestamp,
    /// The kernel's release.
    pub kernel: String,
    /// How many verdicts below should not be so.
    pub findings: u64,
    /// The protected endpoints, in the order of their addresses.
    pub endpoints: Vec<EndpointCoverage>,
    /// What holds for the machine as a whole.
    pub machine: Vec<WayCoverage>,
}

/// The ways to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndpointCoverage {
    /// The address and port.
    pub endpoint: String,
    /// The mode in the kernel's map.
    pub mode: Mode,
    /// The ways, in the order in which they were tried.
    pub ways: Vec<WayCoverage>,
}

/// One way and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WayCoverage {
    /// The way's stable name.
    pub way: String,
    /// What was tried, in words.
    pub says: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Why, or what is missing to try it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether this should not be so.
    pub finding: bool,
}

/// What becomes of a connection or packet on one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It arrives at the agent with the caller's identity.
    Brokered,
    /// It passes because the endpoint is in Audit, and is counted.
    LetThrough,
    /// It could not be tried here.
    NotTestable,
    /// It passes and nothing noticed.
    Open,
    /// The kernel refuses it.
    Refused,
    /// It passes, as it should: it is for another service of the same address.
    Untouched,
}

impl Verdict {
    /// Returns the stable name, which is also the serialised form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Brokered => "brokered",
            Self::LetThrough => "let_through",
            Self::NotTestable => "not_testable",
            Self::Open => "open",
            Self::Refused => "refused",
            Self::Untouched => "untouched",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_is_serialised_by_its_name() {
        for verdict in [
            Verdict::Brokered,
            Verdict::LetThrough,
            Verdict::NotTestable,
            Verdict::Open,
            Verdict::Refused,
            Verdict::Untouched,
        ] {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
        }
    }
}
