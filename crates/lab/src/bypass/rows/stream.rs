//! Stream sockets of every kind.

use latchkey_protocol::Reason;

use super::KERNEL;
use crate::bypass::row::Outcome::{Agent, Brokered, Kernel, Unanswered};
use crate::bypass::row::Row;

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "plain_stream_is_brokered",
        &[43],
        "TCP socket, connected",
        Brokered,
        "`connect4`",
    ),
    Row::new(
        "stream_bound_before_it_connects_is_brokered",
        &[43],
        "TCP socket, bound to a chosen port first",
        Brokered,
        "`connect4`",
    ),
    Row::new(
        "sockets_with_one_source_port_have_their_own_records",
        &[43],
        "another process on the same source port",
        Brokered,
        "flow records keyed by the whole source tuple",
    )
    .proven_in(KERNEL),
    Row::new(
        "connection_cannot_take_the_record_of_another_with_its_addresses_and_ports",
        &[43],
        "another process on the same source tuple, by way of a device",
        Agent(Reason::NoFlowRecord),
        "flow records keyed by the SYN's sequence number too",
    )
    .proven_in(KERNEL),
    Row::new(
        "fast_open_without_connect_is_brokered",
        &[34],
        "TCP Fast Open: `sendto(MSG_FASTOPEN)` without `connect()`",
        Brokered,
        "`connect4`, which runs there too",
    ),
    Row::new(
        "fast_open_that_connects_by_its_first_bytes_is_brokered",
        &[34],
        "`TCP_FASTOPEN_CONNECT`",
        Brokered,
        "`connect4`",
    ),
    Row::new(
        "fast_open_of_the_mapped_address_is_brokered",
        &[3, 34],
        "TCP Fast Open over an IPv6 socket",
        Brokered,
        "`connect6`",
    ),
    Row::new(
        "multipath_stream_is_brokered",
        &[35],
        "MPTCP",
        Brokered,
        "`connect4`",
    ),
    Row::new(
        "multipath_stream_to_the_mapped_address_is_brokered",
        &[3, 35],
        "MPTCP over an IPv6 socket",
        Brokered,
        "`connect6`",
    ),
    Row::new(
        "io_uring_connect_is_brokered",
        &[33],
        "`io_uring`",
        Brokered,
        "`connect4`",
    ),
    Row::new(
        "io_uring_connect_by_a_worker_is_brokered",
        &[33],
        "`io_uring`, by a worker thread",
        Brokered,
        "`connect4`, which finds the process behind the thread",
    ),
    Row::new(
        "io_uring_connect_by_the_polling_thread_is_brokered",
        &[33],
        "`io_uring` with `SQPOLL`",
        Brokered,
        "`connect4`, which finds the process behind the thread",
    ),
    Row::new(
        "io_uring_with_another_users_personality_is_refused",
        &[33],
        "`io_uring`: root connects with another user's credentials",
        Agent(Reason::CallerReplaced),
        "the kernel's word is held against the process",
    ),
    Row::new(
        "io_uring_with_a_personality_kept_from_root_is_refused",
        &[33],
        "`io_uring`: a user connects with credentials kept from root",
        Agent(Reason::CallerReplaced),
        "the kernel's word is held against the process",
    ),
    Row::new(
        "stream_bound_to_the_uplink_goes_nowhere",
        &[43],
        "`SO_BINDTODEVICE`, the uplink",
        Unanswered,
        "`connect4`: the listener is not on that device",
    ),
    Row::new(
        "stream_bound_to_the_loopback_device_is_brokered",
        &[43],
        "`SO_BINDTODEVICE`, loopback",
        Brokered,
        "`connect4`",
    ),
    Row::new(
        "marked_stream_is_brokered",
        &[43],
        "`SO_MARK`",
        Brokered,
        "`connect4`; no mark exempts anybody",
    ),
    Row::new(
        "source_address_that_the_guest_does_not_have_is_refused",
        &[43],
        "forged source: `IP_FREEBIND`",
        Kernel("ENETUNREACH"),
        "no route leads back",
    ),
    Row::new(
        "transparent_source_address_goes_nowhere",
        &[43],
        "forged source: `IP_TRANSPARENT`",
        Unanswered,
        "no route leads back",
    ),
    Row::new(
        "source_routed_stream_goes_nowhere",
        &[37],
        "loose source routing, `IP_OPTIONS`",
        Unanswered,
        "`connect4`: the last hop is the listener",
    ),
    Row::new(
        "stream_in_repair_is_reset_by_the_listener",
        &[37],
        "`TCP_REPAIR`: a connection without a handshake",
        Kernel("ECONNRESET"),
        "`connect4`: the listener knows no such connection",
    ),
    Row::new(
        "socket_stays_in_the_group_that_it_was_made_in",
        &[39],
        "socket made in the guest's control group, connected from another",
        Brokered,
        "programs run by the socket's group",
    ),
];
