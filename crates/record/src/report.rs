//! What an agent reports, and what is answered: records in batches, each sent until it is acknowledged.

use serde::{Deserialize, Serialize};

use crate::audit::AuditRecord;
use crate::status::AgentStatus;

/// The version of these forms.
pub const REPORT_VERSION: u32 = 1;
/// The longest batch in bytes of JSON: what the gateway reads of a signed body.
pub const MAX_REPORT_BYTES: usize = 100 * 1024;
/// Where agents report at the WireServer's address.
pub const REPORT_PATH: &str = "/latchkey/reports";

/// What one agent reports in one piece. Sent again, it is the same to the byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportBatch {
    /// [`REPORT_VERSION`].
    pub version: u32,
    /// Unique among the batches of its machine.
    pub id: String,
    /// Audit records in the order in which they were written.
    pub records: Vec<AuditRecord>,
    /// The agent's status, when it changed or a minute has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Box<AgentStatus>>,
}

/// What is answered to a batch, once it is kept where a power failure cannot take it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportReceipt {
    /// The batch's id.
    pub batch: String,
    /// Whether it was there before.
    pub duplicate: bool,
}
