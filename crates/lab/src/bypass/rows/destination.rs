//! Other names of an endpoint.

use latchkey_protocol::Reason;

use super::{E2E, KERNEL};
use crate::bypass::row::Outcome::{Agent, Brokered, Kernel};
use crate::bypass::row::Row;

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "address_in_any_spelling_is_brokered",
        &[2],
        "`0xa9fea9fe`, `2852039166`, octal, short forms",
        Brokered,
        "decided by the kernel's destination, not by text",
    ),
    Row::new(
        "ipv4_mapped_connection_is_attributed_and_judged_alike",
        &[3],
        "IPv4-mapped IPv6 address",
        Brokered,
        "`connect6`",
    )
    .proven_in(E2E),
    Row::new(
        "translated_address_is_brokered",
        &[3],
        "NAT64 form `64:ff9b::/96`",
        Brokered,
        "`connect6`",
    ),
    Row::new(
        "compatible_address_has_no_route",
        &[3],
        "IPv4-compatible form `::a.b.c.d`",
        Kernel("ENETUNREACH"),
        "no route; packets of that form reach no IPv4 host",
    ),
    Row::new(
        "native_ipv6_endpoint_leads_to_the_ipv6_listener",
        &[3],
        "native IPv6 endpoint",
        Brokered,
        "`connect6`",
    )
    .proven_in(KERNEL),
    Row::new(
        "redirect_to_the_endpoint_is_judged_by_who_follows_it",
        &[5],
        "a web server that redirects to the endpoint",
        Agent(Reason::CallerNotAssigned),
        "decided after names and redirects, by who connects",
    ),
    Row::new(
        "name_that_leads_to_the_endpoint_is_refused_for_its_host",
        &[5],
        "DNS rebinding: a name that leads to the endpoint",
        Agent(Reason::ForeignHost),
        "the Host header must be the endpoint's",
    ),
    Row::new(
        "hosts_own_address_answers_nobody",
        &[38],
        "the host's own address on the link",
        Kernel("ECONNREFUSED"),
        "the host listens at the endpoints' addresses alone",
    ),
    Row::new(
        "port_without_a_service_is_left_alone_and_answers_nobody",
        &[36],
        "another port of the address",
        Kernel("ECONNREFUSED"),
        "nothing: it is no endpoint, and the host answers there nobody",
    ),
];
