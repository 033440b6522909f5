//! What the gateway saw of one request: machine, request, signature, answer.

use jiff::Timestamp;
use latchkey_protocol::{EndpointKind, Mode, Reason};
use serde::{Deserialize, Serialize};

/// The version of this form.
pub const OBSERVATION_VERSION: u32 = 1;

/// One request as the gateway saw it, whatever agent sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Observation {
    /// [`OBSERVATION_VERSION`].
    pub version: u32,
    /// When the head had arrived.
    pub time: Timestamp,
    /// The machine's id; absent when the source is no machine's.
    pub machine: Option<String>,
    /// The source address and port.
    pub source: String,
    /// What kind of endpoint was asked.
    pub endpoint: EndpointKind,
    /// The machine's mode for this endpoint.
    pub mode: Option<Mode>,
    /// The method; absent when the head was malformed.
    pub method: Option<String>,
    /// The target as received; absent when the head was malformed.
    pub target: Option<String>,
    /// What the gateway found of a signature.
    pub signature: SignatureFinding,
    /// The claim of a valid signature: whether the caller is root.
    pub is_root: Option<bool>,
    /// Why the request was refused, or in Audit would have been.
    pub reason: Option<Reason>,
    /// Whether the request was answered, not refused.
    pub accepted: bool,
    /// The status of the answer; 0 when the client left before one.
    pub status: u16,
}

/// What the gateway found of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureFinding {
    /// No signature header at all.
    Absent,
    /// A signature that does not verify.
    Invalid,
    /// A signature by the latched key.
    Valid,
    /// A call of the secure channel itself, or an upload: none is asked for.
    Exempt,
}
