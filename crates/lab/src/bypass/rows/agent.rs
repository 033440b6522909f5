//! The agent gone, late or robbed of its programs, and its listener.

use latchkey_protocol::Reason;

use super::{E2E, KERNEL};
use crate::bypass::row::Outcome::{Agent, Brokered, Kernel};
use crate::bypass::row::Row;

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "killed_agent_leaves_connections_refused_at_once_and_for_good_and_never_direct",
        &[41],
        "agent killed",
        Kernel("ECONNREFUSED"),
        "pinned programs; an old heartbeat",
    )
    .proven_in(E2E),
    Row::new(
        "agent_that_stands_still_is_taken_for_gone",
        &[41],
        "agent stopped (`SIGSTOP`) for longer than its heartbeat may be old",
        Kernel("ECONNREFUSED"),
        "an old heartbeat",
    ),
    Row::new(
        "nothing_passes_while_programs_are_exchanged",
        &[41],
        "agent replaced by another version",
        Brokered,
        "links are updated in place",
    )
    .proven_in(KERNEL),
    Row::new(
        "connection_from_before_the_agent_is_ended",
        &[42],
        "connection opened before the agent started",
        Kernel("ECONNABORTED"),
        "found by `sock_diag` and destroyed",
    ),
    Row::new(
        "connection_let_through_in_audit_ends_with_audit",
        &[42],
        "connection let through in Audit, used in Enforce",
        Kernel("ECONNABORTED"),
        "destroyed when Enforce begins; egress guard: what Audit let through stops with it",
    ),
    Row::new(
        "direct_connection_is_misdirected_and_nothing_of_it_is_parsed",
        &[44],
        "direct connection to the listener",
        Agent(Reason::NoFlowRecord),
        "no flow record",
    )
    .proven_in(E2E),
    Row::new(
        "identity_left_on_a_socket_is_not_used_again",
        &[44],
        "socket redirected once, then connected to the listener",
        Agent(Reason::NoFlowRecord),
        "an identity is good for one connection",
    )
    .proven_in(KERNEL),
    Row::new(
        "listener_that_is_reached_over_the_link_knows_no_caller",
        &[45],
        "listener reached from the link (`route_localnet`)",
        Agent(Reason::NoFlowRecord),
        "no flow record",
    ),
    Row::new(
        "port_of_the_listener_is_nobodys_but_roots",
        &[46],
        "listener's port taken while the agent is gone",
        Kernel("EPERM"),
        "`bind4`",
    )
    .proven_in(E2E),
    Row::new(
        "listeners_port_at_all_addresses_is_nobodys_but_roots",
        &[46],
        "listener's port at `0.0.0.0`",
        Kernel("EPERM"),
        "`bind4`",
    ),
    Row::new(
        "listeners_port_of_a_dual_stack_socket_is_nobodys_but_roots",
        &[46],
        "listener's port at `::`",
        Kernel("EPERM"),
        "`bind6`",
    ),
    Row::new(
        "listeners_port_at_the_mapped_address_is_nobodys_but_roots",
        &[46],
        "listener's port at `::ffff:127.0.0.1`",
        Kernel("EPERM"),
        "`bind6`",
    ),
    Row::new(
        "listeners_port_is_given_to_no_socket_that_asks_for_any_port",
        &[46],
        "listener's port by chance",
        Kernel("EADDRINUSE"),
        "the port is reserved",
    )
    .proven_in(KERNEL),
    Row::new(
        "control_group_that_floods_is_refused",
        &[47],
        "5,000 connections of one control group",
        Kernel("ECONNREFUSED"),
        "token bucket and share of the flow table, by control group",
    ),
    Row::new(
        "control_group_that_floods_keeps_no_other_out",
        &[47],
        "another control group during such a flood",
        Brokered,
        "token bucket and share of the flow table, by control group",
    ),
    Row::new(
        "programs_that_root_detached_come_back",
        &[40, 48],
        "programs detached by root",
        Brokered,
        "watchdog",
    )
    .but("until the watchdog looks, the host alone refuses; root can end the agent too"),
    Row::new(
        "programs_whose_pins_root_removed_stay",
        &[40, 48],
        "pins removed by root",
        Brokered,
        "the agent holds the links open",
    )
    .but("root can end the agent too"),
];
