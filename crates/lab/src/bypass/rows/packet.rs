//! Packets that no stream or datagram socket made.

use latchkey_protocol::Reason;

use crate::bypass::row::Outcome::{Host, Kernel};
use crate::bypass::row::Row;

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "user_without_capabilities_has_no_raw_socket",
        &[37],
        "raw or packet socket of an ordinary user",
        Kernel("EPERM"),
        "the kernel: it takes `CAP_NET_RAW`",
    ),
    Row::new(
        "raw_segment_is_refused",
        &[37],
        "raw socket, own TCP",
        Kernel("EPERM"),
        "egress guard, by control group",
    ),
    Row::new(
        "raw_segment_of_a_connected_socket_is_refused",
        &[37],
        "raw socket, connected",
        Kernel("EPERM"),
        "egress guard, by control group",
    ),
    Row::new(
        "raw_packet_with_its_own_header_is_refused",
        &[37],
        "raw socket, own IP header",
        Kernel("EPERM"),
        "egress guard, by control group",
    ),
    Row::new(
        "raw_packet_with_ip_options_is_refused",
        &[37],
        "raw socket, own IP header with options",
        Kernel("EPERM"),
        "egress guard, by control group",
    ),
    Row::new(
        "raw_packet_in_fragments_is_refused",
        &[37],
        "raw socket, TCP header in two fragments",
        Kernel("EPERM"),
        "egress guard, by control group",
    ),
    Row::new(
        "frame_is_refused",
        &[37],
        "packet socket, own frame",
        Kernel("ENOBUFS"),
        "egress guard, by link",
    ),
    Row::new(
        "frame_with_ip_options_is_refused",
        &[37],
        "packet socket, IP header with options",
        Kernel("ENOBUFS"),
        "egress guard, by link",
    ),
    Row::new(
        "frame_with_a_priority_tag_is_refused",
        &[37],
        "packet socket, 802.1Q tag with identifier 0",
        Kernel("ENOBUFS"),
        "egress guard, by link",
    ),
    Row::new(
        "frame_with_two_priority_tags_is_refused",
        &[37],
        "packet socket, two such tags",
        Kernel("ENOBUFS"),
        "egress guard, by link",
    ),
    Row::new(
        "frame_that_says_it_is_another_protocol_is_refused",
        &[37],
        "packet socket that says it sends ARP",
        Kernel("ENOBUFS"),
        "egress guard, by link",
    ),
    Row::new(
        "frame_whose_header_the_kernel_makes_is_refused",
        &[37],
        "packet socket of the datagram kind",
        Kernel("ENOBUFS"),
        "egress guard, by link",
    ),
    Row::new(
        "frame_past_the_queueing_discipline_is_refused_by_the_host",
        &[37],
        "packet socket with `PACKET_QDISC_BYPASS`",
        Host(Reason::SignatureMissing),
        "the host: it takes nothing unsigned",
    )
    .but(
        "passes every hook of the guest; take `CAP_NET_RAW` away from what does not \
             need it",
    ),
];
