//! Datagrams, at protected ports and at others.

use crate::bypass::row::Outcome::{Kernel, Passes};
use crate::bypass::row::Row;

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "datagram_to_a_protected_port_is_refused",
        &[36],
        "UDP",
        Kernel("ECONNREFUSED"),
        "`sendmsg4`",
    ),
    Row::new(
        "connected_datagram_to_a_protected_port_is_refused",
        &[36],
        "connected UDP",
        Kernel("ECONNREFUSED"),
        "`connect4`",
    ),
    Row::new(
        "datagram_to_an_address_without_a_family_is_refused",
        &[36],
        "UDP to an address of the family `AF_UNSPEC`",
        Kernel("ECONNREFUSED"),
        "`sendmsg4`",
    ),
    Row::new(
        "lite_datagram_to_a_protected_port_is_refused",
        &[36],
        "UDP-Lite",
        Kernel("ECONNREFUSED"),
        "`sendmsg4`",
    ),
    Row::new(
        "datagram_made_by_hand_to_a_protected_port_is_refused",
        &[36],
        "UDP by a raw socket",
        Kernel("EPERM"),
        "egress guard",
    ),
    Row::new(
        "datagrams_to_dns_dhcp_and_ntp_pass",
        &[36],
        "UDP to ports 53, 67, 123",
        Passes,
        "nothing: these are no endpoints",
    ),
    Row::new(
        "connected_datagrams_to_dns_dhcp_and_ntp_pass",
        &[36],
        "connected UDP to ports 53, 67, 123",
        Passes,
        "nothing: these are no endpoints",
    ),
    Row::new(
        "raw_datagrams_to_dns_dhcp_and_ntp_pass",
        &[36],
        "raw sockets, UDP to ports 53, 67, 123",
        Passes,
        "nothing: these are no endpoints",
    ),
    Row::new(
        "framed_datagrams_to_dns_dhcp_and_ntp_pass",
        &[36],
        "packet sockets, UDP to ports 53, 67, 123",
        Passes,
        "nothing: these are no endpoints",
    ),
];
