//! The ways to reach an endpoint that are tried; an id never changes its meaning.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Who tries a way, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Place {
    /// A user without privileges in the agent's network namespace.
    Unprivileged,
    /// Root in the agent's network namespace.
    Beside,
    /// Root in a network namespace of its own, whose devices end in the child itself.
    Island,
    /// The root of a user namespace of its own, in a network namespace without a device.
    Stranger,
    /// Nobody: it is read from what is attached.
    Nowhere,
}

/// For which endpoints a way exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    V4,
    V6,
    Any,
    /// Tried once, not for each endpoint.
    Machine,
}

macro_rules! ways {
    ($($name:ident = $id:literal, $place:ident, $scope:ident, $says:literal;)+) => {
        /// A way to reach an endpoint, or to get between an endpoint and its callers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Way {
            $(#[doc = concat!("The way `", $id, "`.")] #[serde(rename = $id)] $name,)+
        }

        impl Way {
            /// Every way, in the order in which they are tried.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Returns the stable name.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)+ }
            }

            /// Returns what is tried, in a few words.
            #[must_use]
            pub const fn says(self) -> &'static str {
                match self { $(Self::$name => $says,)+ }
            }

            pub(super) const fn place(self) -> Place {
                match self { $(Self::$name => Place::$place,)+ }
            }

            const fn scope(self) -> Scope {
                match self { $(Self::$name => Scope::$scope,)+ }
            }
        }
    };
}

ways! {
    Tcp4 = "tcp4", Unprivileged, V4, "TCP over IPv4";
    Tcp6Mapped = "tcp6_mapped", Unprivileged, V4, "TCP over IPv6 to ::ffff:a.b.c.d";
    Tcp6Native = "tcp6_native", Unprivileged, V6, "TCP over IPv6";
    Nat64 = "nat64", Unprivileged, V4, "TCP over IPv6 to 64:ff9b::a.b.c.d";
    Nonblocking = "tcp_nonblocking", Unprivileged, Any, "TCP with a connect that does not wait";
    FastOpenSend = "tcp_fastopen_send", Unprivileged, V4, "TCP Fast Open by sendto(MSG_FASTOPEN)";
    FastOpenConnect = "tcp_fastopen_connect", Unprivileged, V4, "TCP Fast Open by TCP_FASTOPEN_CONNECT";
    Mptcp4 = "mptcp4", Unprivileged, V4, "MPTCP over IPv4";
    MptcpMapped = "mptcp_mapped", Unprivileged, V4, "MPTCP over IPv6 to ::ffff:a.b.c.d";
    BindFirst = "bind_first", Unprivileged, V4, "TCP from an address and port bound before";
    SamePort = "same_source_port", Unprivileged, V4, "two TCP sockets of one source port (SO_REUSEADDR, SO_REUSEPORT)";
    UdpSend = "udp_send", Unprivileged, Any, "UDP by sendto";
    UdpConnected = "udp_connected", Unprivileged, Any, "UDP by connect and send";
    UdpMapped = "udp_mapped", Unprivileged, V4, "UDP over IPv6 to ::ffff:a.b.c.d";
    UdpLite = "udp_lite", Unprivileged, V4, "UDP-Lite by sendto";
    Mark = "so_mark", Beside, V4, "TCP with a routing mark (SO_MARK)";
    SubCgroup = "sub_cgroup", Beside, V4, "TCP from a cgroup that the caller made itself";
    IoUring = "io_uring", Beside, V4, "TCP by io_uring";
    IoUringPolled = "io_uring_sqpoll", Beside, V4, "TCP by io_uring's kernel thread (SQPOLL)";
    RawIpv4 = "raw4", Beside, V4, "raw IPv4 socket";
    RawIpv4Header = "raw4_header", Beside, V4, "raw IPv4 socket with a header of its own (IP_HDRINCL)";
    OtherNamespace = "other_netns", Island, Any, "TCP from another network namespace";
    BindToDevice = "bind_to_device", Island, Any, "TCP bound to an uplink (SO_BINDTODEVICE)";
    RawIpv6 = "raw6", Island, Any, "raw IPv6 socket, to 64:ff9b::a.b.c.d where the endpoint is IPv4";
    PacketRaw = "packet_raw", Island, Any, "packet socket with whole frames";
    PacketDatagram = "packet_dgram", Island, Any, "packet socket with IP packets";
    PacketBypass = "packet_qdisc_bypass", Island, Any, "packet socket that goes past the queueing layer";
    Forwarded = "forwarded", Island, V4, "packets forwarded for a container or nested machine";
    Sctp = "sctp", Island, Any, "SCTP";
    Dccp = "dccp", Island, Any, "DCCP";
    OtherPortUdp = "other_port_udp", Island, Any, "UDP to port 53 of the same address (DNS), which is nobody's business";
    OtherPortTcp = "other_port_tcp", Island, Any, "TCP to port 53 of the same address (DNS), which is nobody's business";
    UserNamespace = "user_namespace", Stranger, Any, "TCP by root of a new user and network namespace";
    ListenerPort = "listener_port", Unprivileged, Machine, "taking the port of the agent's listener without being root";
    ListenerDirect = "listener_direct", Nowhere, Machine, "a connection to the agent's listener that the kernel did not send there";
    LinksGuarded = "links_guarded", Beside, Machine, "every network device of the agent's namespace has the guard";
    ExecCapture = "exec_capture", Nowhere, Machine, "a program that connects and then executes another";
    HandedOver = "handed_over", Nowhere, Machine, "a connection that is handed to another process";
}

impl Way {
    /// Returns whether the way leads to an endpoint of this address.
    pub(super) fn leads_to(self, endpoint: SocketAddr) -> bool {
        match self.scope() {
            Scope::V4 => endpoint.is_ipv4(),
            Scope::V6 => endpoint.is_ipv6(),
            Scope::Any => true,
            Scope::Machine => false,
        }
    }

    /// Returns whether the way is tried once, not for each endpoint.
    pub(super) fn is_of_machine(self) -> bool {
        self.scope() == Scope::Machine
    }

    /// Returns whether passing is what should happen.
    pub(super) const fn is_to_pass(self) -> bool {
        matches!(self, Self::OtherPortUdp | Self::OtherPortTcp)
    }

    /// Returns why the way is known to be open, where nothing in a guest's kernel can close it.
    pub(super) const fn residual(self) -> Option<&'static str> {
        match self {
            Self::PacketBypass => Some(
                "only root can, and no hook of the kernel sees it: the host's signature check stands",
            ),
            _ => None,
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_way_has_an_id_of_its_own_which_is_also_its_serialised_form() {
        let ids: BTreeSet<_> = Way::ALL.iter().map(|way| way.id()).collect();
        assert_eq!(ids.len(), Way::ALL.len());
        for way in Way::ALL {
            assert_eq!(serde_json::to_value(way).unwrap(), way.id());
        }
    }

    #[test]
    fn way_of_the_machine_is_tried_for_no_endpoint() {
        let endpoints = ["192.0.2.1:80", "[2001:db8::1]:80"].map(|text| text.parse().unwrap());
        for way in Way::ALL {
            let leads = endpoints.iter().any(|endpoint| way.leads_to(*endpoint));
            assert_ne!(leads, way.is_of_machine(), "{way}");
        }
    }
}
