//! One form that holds the fields of every kind of record, so that a line is parsed once.

use std::borrow::Cow;

use jiff::Timestamp;
use latchkey_protocol::{EndpointKind, Flag};
use latchkey_record::audit::Outcome;
use latchkey_record::caller::ExecutableState;
use serde::Deserialize;

use super::read_time;

/// A text that borrows from its line where nothing is escaped, also in an option.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// A record of any kind; fields that nothing is learned from are skipped.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AnyLine<'a> {
    pub(super) version: Option<Version<'a>>,
    #[serde(borrow)]
    pub(super) run: Option<Text<'a>>,
    pub(super) sequence: Option<u64>,
    pub(super) time: Option<Text<'a>>,
    #[serde(alias = "TimeGenerated", alias = "TimeStamp", alias = "TIMESTAMP")]
    pub(super) timestamp: Option<Text<'a>>,
    pub(super) kind: Option<EndpointKind>,
    pub(super) method: Option<Text<'a>>,
    pub(super) target: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) caller: Option<AuditCaller<'a>>,
    pub(super) outcome: Option<Outcome>,
    pub(super) would_refuse: Option<Text<'a>>,
    pub(super) status: Option<u16>,
    pub(super) url: Option<Text<'a>>,
    pub(super) ip: Option<Text<'a>>,
    pub(super) port: Option<u16>,
    pub(super) user_name: Option<Text<'a>>,
    pub(super) process_full_path: Option<Text<'a>>,
    pub(super) process_cmd_line: Option<Text<'a>>,
    pub(super) run_as_elevated: Option<bool>,
    pub(super) response_status: Option<Text<'a>>,
    pub(super) count: Option<u64>,
}

/// A version is a number in our records, and a text in others'.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Version<'a> {
    Number(u32),
    #[serde(borrow)]
    Text(#[expect(dead_code, reason = "any text will do: it is not ours")] Text<'a>),
}

impl AnyLine<'_> {
    pub(super) fn any_time(&self) -> Option<Timestamp> {
        let times = [&self.time, &self.timestamp];
        times
            .into_iter()
            .flatten()
            .find_map(|Text(text)| read_time(text))
    }
}

/// What an audit record says of a caller, as far as it is learned from.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuditCaller<'a> {
    pub(super) euid: u32,
    pub(super) root: bool,
    #[serde(borrow)]
    pub(super) user: Option<Text<'a>>,
    pub(super) executable: Option<Text<'a>>,
    pub(super) unit: Option<Text<'a>>,
    pub(super) executable_state: Option<ExecutableState>,
    pub(super) script: Option<Text<'a>>,
    #[serde(default)]
    pub(super) flags: Vec<Flag>,
}
