//! What newer or differently built kernels can do beyond the floor; what is missing is reported.

use std::fmt;

use crate::error::InterceptError;

/// Something that the programs do where the kernel lets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// Scripts are known by the path that was executed (`tp_btf/sched_process_exec`, `_fork` and
    /// `_exit`). Without it no caller matches a rule for scripts.
    ScriptAtExec,
    /// The file that a caller executes is known from its execution
    /// (`tp_btf/sched_process_exec` and `_fork`, `iter/task`). Without it from what a process shows
    /// of itself, and any process may show another file (`PR_SET_MM_MAP`).
    ExecutableAtExec,
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
    /// Every feature, the ones that stand for others behind them.
    pub const ALL: [Self; 5] = [
        Self::ScriptAtExec,
        Self::ExecutableAtExec,
        Self::Handover,
        Self::HandoverBeforeSend,
        Self::ThreadState,
    ];

    /// Returns the hooks that it needs.
    #[must_use]
    pub const fn hook(self) -> &'static str {
        match self {
            Self::ScriptAtExec => "tp_btf/sched_process_{exec,fork,exit}",
            Self::ExecutableAtExec => "tp_btf/sched_process_{exec,fork}, iter/task",
            Self::Handover => "tp_btf/sock_send_length",
            Self::HandoverBeforeSend => "tp_btf/tcp_sendmsg_locked",
            Self::ThreadState => "iter/task",
        }
    }

    /// Returns the kernel version that brought the newest thing that it uses, and that thing.
    #[must_use]
    pub const fn kernel(self) -> &'static str {
        match self {
            Self::ScriptAtExec => "5.5: tp_btf",
            Self::ExecutableAtExec => "6.1: iter/task of one thread",
            Self::Handover => "6.4: sock_send_length",
            Self::HandoverBeforeSend => "6.16: tcp_sendmsg_locked",
            Self::ThreadState => "6.1: iter/task of one thread",
        }
    }

    /// Returns the names of its pinned links.
    pub(crate) const fn links(self) -> &'static [&'static str] {
        match self {
            Self::ScriptAtExec => &["exit", "fork", "exec"],
            Self::ExecutableAtExec => &["inherited", "executed"],
            Self::Handover | Self::HandoverBeforeSend => &["send"],
            Self::ThreadState => &[],
        }
    }

    /// Returns the name for status and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ScriptAtExec => "script_at_exec",
            Self::ExecutableAtExec => "executable_at_exec",
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
