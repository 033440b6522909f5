//! One recorded request, and one caller without a request, as the readers hand them on.

use std::borrow::Cow;

use jiff::Timestamp;
use latchkey_protocol::{EndpointKind, Flag};
use serde::{Deserialize, Serialize};

/// A request that was recorded, or several that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample<'a> {
    /// When, if that was recorded.
    pub time: Option<Timestamp>,
    /// Where.
    pub endpoint: EndpointKind,
    /// The method.
    pub method: Cow<'a, str>,
    /// The target as received.
    pub target: Cow<'a, str>,
    /// Who.
    pub caller: CallerSeen<'a>,
    /// What was decided.
    pub verdict: Verdict,
    /// The status of the answer.
    pub status: Option<u16>,
    /// How many requests this stands for.
    pub count: u64,
    /// Who recorded it.
    pub source: Source,
}

/// What is known of a caller; what was not recorded is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerSeen<'a> {
    /// The effective user's name.
    pub user: Option<Cow<'a, str>>,
    /// The effective user's number.
    pub uid: Option<u32>,
    /// Whether it is root.
    pub root: bool,
    /// The executable's path.
    pub executable: Option<Cow<'a, str>>,
    /// The unit of systemd.
    pub unit: Option<Cow<'a, str>>,
    /// The script that an interpreter runs.
    pub script: Option<Script<'a>>,
    /// The flags that are set.
    pub flags: Vec<Flag>,
}

/// The script of an interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script<'a> {
    /// As the kernel saw it being executed.
    Executed(Cow<'a, str>),
    /// As the command line looks, which the caller can write as it likes.
    Guessed(Cow<'a, str>),
}

/// A caller with the status of its requests, which themselves were not recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerSample<'a> {
    /// Where.
    pub endpoint: EndpointKind,
    /// The user's name.
    pub user: Cow<'a, str>,
    /// The executable's path.
    pub executable: Cow<'a, str>,
    /// The status of the answers.
    pub status: Option<u16>,
    /// How many requests.
    pub count: u64,
}

/// What was decided about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was forwarded; nothing spoke against it but, in Audit, that no rule covers it.
    Forwarded,
    /// It was forwarded in Audit, though a rule covers it and gives it to others.
    Withheld,
    /// It was refused, or Enforce would have refused it whatever the rules say.
    Refused,
    /// It was allowed, but no whole answer came.
    Failed,
}

/// Who recorded a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// Latchkey's audit trail: one record for every request.
    Audit,
    /// The deployed agent's records: the first of each caller and status in 15 minutes.
    DeployedRecord,
    /// The deployed agent's status: callers without their requests.
    DeployedStatus,
    /// The deployed agent's lines of each request, at its log level Trace.
    DeployedTrace,
}

impl Source {
    /// Returns whether requests are missing from what it records.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        matches!(self, Self::DeployedRecord | Self::DeployedStatus)
    }
}

impl CallerSeen<'_> {
    /// Writes all that is known as bytes, no two callers the same ones.
    pub(super) fn write_key(&self, key: &mut Vec<u8>) {
        key.clear();
        let script = match &self.script {
            None => None,
            Some(Script::Executed(path)) => Some((b'x', path)),
            Some(Script::Guessed(path)) => Some((b'g', path)),
        };
        for text in [
            &self.user,
            &self.executable,
            &self.unit,
            &script.map(|(_, path)| path.clone()),
        ] {
            match text {
                None => key.push(0),
                Some(text) => {
                    key.push(1);
                    key.extend(text.len().to_be_bytes());
                    key.extend(text.as_bytes());
                }
            }
        }
        key.extend(script.map(|(kind, _)| kind));
        key.push(u8::from(self.root));
        key.extend(self.uid.map(u32::to_be_bytes).into_iter().flatten());
        for flag in &self.flags {
            key.extend(flag.as_str().bytes());
        }
    }
}

fn owned<'b>(text: Option<Cow<'_, str>>) -> Option<Cow<'b, str>> {
    text.map(|text| Cow::Owned(text.into_owned()))
}

impl CallerSeen<'_> {
    /// Returns the same, borrowing nothing.
    #[must_use]
    pub fn into_owned<'b>(self) -> CallerSeen<'b> {
        let script = self.script.map(|script| match script {
            Script::Executed(path) => Script::Executed(path.into_owned().into()),
            Script::Guessed(path) => Script::Guessed(path.into_owned().into()),
        });
        CallerSeen {
            user: owned(self.user),
            uid: self.uid,
            root: self.root,
            executable: owned(self.executable),
            unit: owned(self.unit),
            script,
            flags: self.flags,
        }
    }
}

impl Sample<'_> {
    /// Returns the same, borrowing nothing.
    #[must_use]
    pub fn into_owned<'b>(self) -> Sample<'b> {
        Sample {
            time: self.time,
            endpoint: self.endpoint,
            method: self.method.into_owned().into(),
            target: self.target.into_owned().into(),
            caller: self.caller.into_owned(),
            verdict: self.verdict,
            status: self.status,
            count: self.count,
            source: self.source,
        }
    }
}

impl CallerSample<'_> {
    /// Returns the same, borrowing nothing.
    #[must_use]
    pub fn into_owned<'b>(self) -> CallerSample<'b> {
        CallerSample {
            endpoint: self.endpoint,
            user: self.user.into_owned().into(),
            executable: self.executable.into_owned().into(),
            status: self.status,
            count: self.count,
        }
    }
}
