//! What newer or differently built kernels can do beyond the floor; what is missing is reported.

use std::fmt;

use crate::error::InterceptError;

/// Something that the programs do where the kernel lets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// Scripts are known by the path that was executed (`tp_btf/sched_process_exec`, `_fork` and
    /// `_exit`). Without it no caller matches a rule for scripts.
    ScriptAtExec,
    /// Somebody else who sends over a caller's connection is noticed (`tp_btf/sock_send_length`,
    /// kernel 6.4). Without it only the process that connected is looked at.
    Handover,
    /// It is noticed before its bytes can arrive (`tp_btf/tcp_sendmsg_locked`, kernel 6.16). Without
    /// it when its send is over.
    HandoverBeforeSend,
    /// A caller is compared with what it was at connect by the kernel (`iter/task`, kernel 6.1).
    /// Without it by `/proc`, where an exec of the same file cannot be seen.
    ThreadState,
}

impl Feature {
    /// Returns the name for status and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ScriptAtExec => "script_at_exec",
            Self::Handover => "handover",
            Self::HandoverBeforeSend => "handover_before_send",
            Self::ThreadState => "thread_state",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A feature that is not there, and why.
#[derive(Debug)]
pub struct MissingFeature {
    /// The feature.
    pub feature: Feature,
    /// What the kernel said.
    pub error: InterceptError,
}
