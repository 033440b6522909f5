//! What the programs count (`bpf/counters.h`), read as one snapshot; the sums never go backwards
//! while the maps stay pinned.

use aya::maps::{MapData, MapError, PerCpuArray};

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)+) => {
        /// An event that the programs count.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Counter {
            $($(#[$doc])* $variant,)+
        }

        impl Counter {
            /// Every counter, in the order of the kernel's array.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the name for metrics and status.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

counters! {
    /// Connections that were sent to the agent's listener.
    Redirected => "redirected",
    /// Connections of the agent itself, which reached the endpoint.
    OwnTraffic => "own_traffic",
    /// Refused in Enforce: the heartbeat was too old.
    AgentGoneRefused => "agent_gone_refused",
    /// Passed in Audit: the heartbeat was too old.
    AgentGonePassed => "agent_gone_passed",
    /// Refused in Enforce: the socket belongs to another network namespace.
    ForeignNetnsRefused => "foreign_netns_refused",
    /// Passed in Audit: the socket belongs to another network namespace.
    ForeignNetnsPassed => "foreign_netns_passed",
    /// Refused in Enforce: not TCP.
    OtherProtocolRefused => "other_protocol_refused",
    /// Passed in Audit: not TCP.
    OtherProtocolPassed => "other_protocol_passed",
    /// Refused in Enforce: a native IPv6 endpoint without an IPv6 listener.
    Ipv6UnservedRefused => "ipv6_unserved_refused",
    /// Passed in Audit: a native IPv6 endpoint without an IPv6 listener.
    Ipv6UnservedPassed => "ipv6_unserved_passed",
    /// Refused in Enforce: the identity could not be captured or stored.
    IdentityLostRefused => "identity_lost_refused",
    /// Passed in Audit: the identity could not be captured or stored.
    IdentityLostPassed => "identity_lost_passed",
    /// Flow records that were published.
    FlowPublished => "flow_published",
    /// Flow records that the kernel removed because the socket closed before the agent took them.
    FlowRetired => "flow_retired",
    /// Redirected connections without a flow record, because there was no room for it.
    FlowTableFull => "flow_table_full",
    /// Attempts to bind the listener's port by someone other than root.
    BindRefused => "bind_refused",
    /// Packets refused in Enforce: of a socket that was not redirected and is not the agent's.
    EgressRefused => "egress_refused",
    /// Sockets whose packets passed in Audit although no socket call had shown them.
    EgressPassed => "egress_passed",
    /// Packets refused in Enforce on a link: forwarded ones, and those of packet sockets.
    ForwardedRefused => "forwarded_refused",
    /// Packets that passed in Audit on a link, counted on each link: forwarded ones, and those of
    /// packet sockets.
    ForwardedPassed => "forwarded_passed",
    /// Refused in Enforce: the caller's cgroup connected too often in a short time.
    RateLimitedRefused => "rate_limited_refused",
    /// Passed in Audit: the caller's cgroup connected too often in a short time.
    RateLimitedPassed => "rate_limited_passed",
    /// Refused in Enforce: the caller's cgroup has too many connections open.
    ShareExceededRefused => "share_exceeded_refused",
    /// Passed in Audit: the caller's cgroup has too many connections open.
    ShareExceededPassed => "share_exceeded_passed",
    /// Scripts that were executed and could not be remembered; they match no rule for scripts.
    ExecTableFull => "exec_table_full",
    /// Connections over which another process than the one that connected has sent something.
    HandedOver => "handed_over",
    /// Executions and forks of which the executed file could not be remembered; such a process is
    /// not served until it executes something.
    ExecutableLost => "executable_lost",
}

/// A snapshot of all counters since the maps were first pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters(Vec<(Counter, u64)>);

impl Counters {
    pub(crate) fn read(map: &PerCpuArray<MapData, u64>) -> Result<Self, MapError> {
        (0..)
            .zip(Counter::ALL)
            .map(|(slot, &counter)| Ok((counter, map.get(&slot, 0)?.iter().sum())))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Returns how often the event happened.
    #[must_use]
    pub fn of(&self, counter: Counter) -> u64 {
        self.iter()
            .filter(|(each, _)| *each == counter)
            .map(|(_, sum)| sum)
            .sum()
    }

    /// Returns every counter with its sum.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_and_agent_have_the_same_counters_in_the_same_order() {
        let in_kernel: Vec<String> = include_str!("../bpf/counters.h")
            .lines()
            .filter_map(|line| line.trim().strip_prefix("COUNTER_")?.strip_suffix(','))
            .filter(|name| *name != "TOTAL")
            .map(str::to_ascii_lowercase)
            .collect();
        let here: Vec<_> = Counter::ALL
            .iter()
            .map(|counter| counter.as_str())
            .collect();
        assert_eq!(in_kernel, here);
    }
}
