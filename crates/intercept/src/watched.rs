//! The hooks at which programs of others matter, and what a program there can do to ours.

/// What a program can do to ours at its hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Write another address or port.
    Rewrite,
    /// Refuse the call or drop the packet.
    Refuse,
    /// Let pass what ours refused; only after ours.
    Overrule,
    /// Switch off the callbacks of the TCP connection that ours asked for.
    Callbacks,
}

impl Effect {
    /// Returns the name for status and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rewrite => "rewrite",
            Self::Refuse => "refuse",
            Self::Overrule => "overrule",
            Self::Callbacks => "callbacks",
        }
    }
}

/// A hook at which programs of others matter.
#[derive(Debug)]
pub(crate) struct WatchedHook {
    pub(crate) name: &'static str,
    /// The name that bpftool(8) has for it.
    pub(crate) bpftool: &'static str,
    /// `enum bpf_attach_type` of `linux/bpf.h`.
    pub(crate) attach_type: u32,
    pub(crate) effects: &'static [Effect],
}

const ADDRESS: &[Effect] = &[Effect::Rewrite, Effect::Refuse, Effect::Overrule];
const PACKET: &[Effect] = &[Effect::Refuse];

macro_rules! watched {
    ($($name:literal, $bpftool:literal, $attach_type:literal, $effects:expr;)+) => {
        /// The hooks of our programs, and those at which managers keep sockets or packets back.
        pub(crate) const WATCHED: &[WatchedHook] = &[$(WatchedHook {
            name: $name,
            bpftool: $bpftool,
            attach_type: $attach_type,
            effects: $effects,
        },)+];
    };
}

watched! {
    "connect4", "cgroup_inet4_connect", 10, ADDRESS;
    "connect6", "cgroup_inet6_connect", 11, ADDRESS;
    "sendmsg4", "cgroup_udp4_sendmsg", 14, ADDRESS;
    "sendmsg6", "cgroup_udp6_sendmsg", 15, ADDRESS;
    "bind4", "cgroup_inet4_bind", 8, ADDRESS;
    "bind6", "cgroup_inet6_bind", 9, ADDRESS;
    "getpeername4", "cgroup_inet4_getpeername", 29, &[Effect::Rewrite];
    "getpeername6", "cgroup_inet6_getpeername", 30, &[Effect::Rewrite];
    "sock_ops", "cgroup_sock_ops", 3, &[Effect::Callbacks];
    "sock_create", "cgroup_inet_sock_create", 2, PACKET;
    "egress", "cgroup_inet_egress", 1, PACKET;
    "ingress", "cgroup_inet_ingress", 0, PACKET;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::HOOKS;

    #[test]
    fn every_hook_of_ours_is_watched() {
        for hook in HOOKS {
            let found = WATCHED
                .iter()
                .find(|watched| watched.attach_type == hook.attach_type);
            assert!(found.is_some(), "{}", hook.program);
        }
    }
}
