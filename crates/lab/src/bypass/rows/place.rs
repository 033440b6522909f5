//! Namespaces, control groups, and networks behind the guest.

use latchkey_protocol::Reason;

use super::E2E;
use crate::bypass::row::Outcome::{Brokered, Host, Kernel, Unanswered};
use crate::bypass::row::Row;

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "network_namespace_of_a_user_is_refused",
        &[38],
        "network namespace of a user's own",
        Kernel("ECONNREFUSED"),
        "`connect4` compares the socket's namespace",
    ),
    Row::new(
        "socket_of_another_network_namespace_is_refused_where_it_is_used",
        &[38],
        "socket of another network namespace, used in the agent's",
        Kernel("ECONNREFUSED"),
        "`connect4` compares the socket's namespace, not the process's",
    ),
    Row::new(
        "container_is_refused_when_it_connects",
        &[38],
        "container behind a veth and masquerading",
        Kernel("ECONNREFUSED"),
        "`connect4` compares the socket's namespace",
    ),
    Row::new(
        "packets_that_the_guest_forwards_go_nowhere",
        &[38],
        "nested machine behind a veth and masquerading",
        Unanswered,
        "egress guard, by link",
    ),
    Row::new(
        "device_of_a_container_on_the_uplink_is_refused_when_it_connects",
        &[38],
        "container on a macvlan of the uplink",
        Kernel("ECONNREFUSED"),
        "`connect4` compares the socket's namespace",
    ),
    Row::new(
        "packets_of_another_device_on_the_uplink_go_nowhere",
        &[38],
        "nested machine on a macvlan of the uplink",
        Unanswered,
        "egress guard, by link",
    ),
    Row::new(
        "address_that_the_guest_translates_to_the_endpoint_goes_nowhere",
        &[38, 48],
        "address translation (DNAT) in the guest",
        Unanswered,
        "egress guard, which sees the packet after translation",
    ),
    Row::new(
        "user_of_a_program_in_another_pid_namespace_is_known",
        &[29],
        "PID namespace",
        Brokered,
        "process numbers of the initial namespace",
    )
    .proven_in(E2E),
    Row::new(
        "control_group_namespace_is_brokered",
        &[39],
        "control group namespace",
        Brokered,
        "programs run by the group, whatever it looks like inside",
    ),
    Row::new(
        "group_below_the_attached_one_is_brokered",
        &[39],
        "control group below the guest's, made by the caller",
        Brokered,
        "programs hold for all groups below",
    ),
    Row::new(
        "process_that_changes_its_group_after_connecting_is_brokered",
        &[39],
        "control group changed after connecting",
        Brokered,
        "captured when it connected",
    ),
    Row::new(
        "request_past_the_kernel_programs_is_refused_by_the_host",
        &[39],
        "control group outside of the attached one",
        Host(Reason::SignatureMissing),
        "the host: it takes nothing unsigned",
    )
    .proven_in(E2E)
    .but("attach at the root of the hierarchy: then there is no outside"),
];
