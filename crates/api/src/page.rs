//! A part of a long answer, and where the next part begins.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most items of one page.
pub const MAX_PAGE: u32 = 1000;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Page<T> {
    /// The items in the order of the list.
    pub items: Vec<T>,
    /// What to ask with for the next page; absent on the last one. Its text means nothing to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
