//! Every way round that is known, with what must become of it.

use latchkey_protocol::Reason;

use super::row::Outcome::{Agent, Brokered, Host, InAnothersName, Kernel, Passes, Unanswered};
use super::row::{Argument, Row, Section};

/// All rows, in the order of the table.
pub const SECTIONS: &[Section] = &[
    Section {
        title: "Stream sockets",
        rows: STREAMS,
    },
    Section {
        title: "Other names of an endpoint",
        rows: DESTINATIONS,
    },
    Section {
        title: "Datagrams",
        rows: DATAGRAMS,
    },
    Section {
        title: "Packets made by hand",
        rows: PACKETS,
    },
    Section {
        title: "Namespaces, control groups and networks behind the guest",
        rows: PLACES,
    },
    Section {
        title: "Who asks: users",
        rows: USERS,
    },
    Section {
        title: "Who asks: programs",
        rows: PROGRAMS,
    },
    Section {
        title: "Who asks: connections that change hands",
        rows: HANDS,
    },
    Section {
        title: "The agent and its listener",
        rows: AGENT,
    },
];

const E2E: &str = "crates/lab/tests/e2e";
const KERNEL: &str = "crates/intercept/tests/kernel";

const STREAMS: &[Row] = &[
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

const DESTINATIONS: &[Row] = &[
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

const DATAGRAMS: &[Row] = &[
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

const PACKETS: &[Row] = &[
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
    .but("passes every hook of the guest; take `CAP_NET_RAW` away from what does not need it"),
];

const PLACES: &[Row] = &[
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

const USERS: &[Row] = &[
    Row::new("root_of_a_users_own_user_namespace_is_not_root", &[29], "root of a user's own user namespace", Agent(Reason::RootRequired), "user ids of the initial namespace"),
    Row::new("root_in_another_user_namespace_is_not_root", &[29], "user 0 in another user namespace", Agent(Reason::RootRequired), "root is effective user 0 of the initial namespace"),
    Row::new("root_that_gave_up_its_effective_user_is_not_root", &[29], "root with another effective user", Agent(Reason::RootRequired), "the effective user counts"),
    Row::new("set_user_id_program_is_its_owner", &[29], "set-user-id program of root's, run by another user", Brokered, "the effective user counts: the program is root")
        .but("a set-user-id program of root's that fetches addresses for its user is root's deputy; grant by program"),
    Row::new("thread_that_became_another_user_is_refused", &[29], "thread with another user than its process", Agent(Reason::CallerReplaced), "the kernel's word is held against the process"),
    Row::new("thread_that_stayed_root_behind_its_process_is_refused", &[29], "thread that stayed root", Agent(Reason::CallerReplaced), "the kernel's word is held against the process"),
];

const PROGRAMS: &[Row] = &[
    Row::new(
        "allowed_program_is_brokered",
        &[24],
        "the allowed program itself",
        Brokered,
        "nothing: it is allowed",
    ),
    Row::new(
        "symbolic_link_with_the_allowed_name_is_what_it_leads_to",
        &[24],
        "symbolic link with the allowed name",
        Agent(Reason::CallerNotAssigned),
        "the file that is executed counts",
    ),
    Row::new(
        "hard_link_to_the_allowed_program_is_refused",
        &[24],
        "hard link to the allowed program",
        Agent(Reason::CallerNotAssigned),
        "the path must be the one that was executed",
    ),
    Row::new(
        "copy_of_the_allowed_program_is_refused",
        &[24],
        "copy of the allowed program",
        Agent(Reason::CallerNotAssigned),
        "the path must be the one that was executed",
    ),
    Row::new(
        "program_that_the_loader_was_told_to_run_is_the_loader",
        &[24],
        "allowed program run by `ld.so`",
        Agent(Reason::CallerNotAssigned),
        "the file that is executed counts",
    ),
    Row::new(
        "file_mounted_over_the_allowed_one_in_an_own_namespace_is_refused",
        &[24],
        "bind mount over the allowed path, in an own mount namespace",
        Agent(Reason::CallerNotAssigned),
        "a path of another mount namespace matches no rule",
    ),
    Row::new(
        "overlay_over_the_allowed_folder_in_an_own_namespace_is_refused",
        &[24],
        "overlay with another file at the allowed path",
        Agent(Reason::CallerNotAssigned),
        "a path of another mount namespace matches no rule",
    ),
    Row::new(
        "allowed_path_within_another_root_directory_is_refused",
        &[24],
        "chroot with another file at the allowed path",
        Agent(Reason::CallerNotAssigned),
        "paths are the agent's",
    ),
    Row::new(
        "file_that_root_mounts_over_the_allowed_one_is_taken_for_it",
        &[24, 48],
        "bind mount over the allowed path by root",
        InAnothersName,
        "nothing: root decides what lies at a path",
    )
    .but("grant by `exeSha256` where root's packages are not trusted"),
    Row::new(
        "executable_in_memory_is_refused",
        &[25],
        "executable in memory (`memfd_create`)",
        Agent(Reason::CallerNotAssigned),
        "it has no path",
    ),
    Row::new(
        "deleted_executable_is_refused",
        &[25],
        "deleted executable",
        Agent(Reason::CallerNotAssigned),
        "its path leads nowhere",
    ),
    Row::new(
        "deleted_executable_is_not_the_file_with_its_name",
        &[25],
        "deleted executable whose link text names another file",
        Agent(Reason::CallerNotAssigned),
        "the path must lead to the very file",
    ),
    Row::new(
        "program_whose_file_was_replaced_is_refused",
        &[25],
        "allowed program whose file is gone",
        Agent(Reason::CallerNotAssigned),
        "the path must lead to the very file",
    )
    .but("an allowed program must be started again after its package was upgraded"),
    Row::new(
        "any_script_of_an_allowed_interpreter_speaks_in_its_name",
        &[26],
        "`#!` script of an allowed interpreter",
        InAnothersName,
        "nothing: the interpreter is the program",
    )
    .but("grant by `scriptPath` or by unit, not by interpreter"),
    Row::new(
        "library_loaded_before_the_allowed_program_speaks_in_its_name",
        &[27],
        "`LD_PRELOAD` into the allowed program, by its user",
        InAnothersName,
        "the user is the boundary",
    )
    .but("forbid `preloaded`, and give what is allowed a user of its own"),
    Row::new(
        "tracer_of_the_allowed_program_speaks_in_its_name",
        &[28],
        "`ptrace` of the allowed program, by its user",
        InAnothersName,
        "the user is the boundary",
    )
    .but("forbid `traced`, and give what is allowed a user of its own"),
    Row::new(
        "process_that_names_another_file_as_its_executable_is_refused",
        &[24, 25],
        "`PR_SET_MM_MAP`: a process names another file as its executable",
        Agent(Reason::CallerReplaced),
        "the executable is captured when it is executed",
    ),
    Row::new(
        "task_with_the_allowed_name_is_refused",
        &[32],
        "task name of the allowed program (`PR_SET_NAME`)",
        Agent(Reason::CallerNotAssigned),
        "task names prove nothing",
    ),
    Row::new(
        "child_that_shares_its_parents_memory_is_brokered",
        &[21],
        "`vfork` child",
        Brokered,
        "captured by its own process number",
    ),
];

const HANDS: &[Row] = &[
    Row::new("process_that_got_the_number_of_one_that_ended_is_not_taken_for_it", &[21], "process number reused before anybody looks", Agent(Reason::CallerReplaced), "start times are compared"),
    Row::new("program_that_becomes_the_allowed_one_after_connecting_is_refused", &[22], "connect, then execute the allowed program", Agent(Reason::CallerReplaced), "captured when it connected, and compared"),
    Row::new("allowed_program_that_becomes_another_is_refused", &[23], "the allowed program connects and executes another", Agent(Reason::CallerReplaced), "compared again for each request"),
    Row::new("allowed_program_that_executes_itself_again_is_refused", &[23], "the allowed program connects and executes itself", Agent(Reason::CallerReplaced), "each execution has a number of its own"),
    Row::new("connection_whose_maker_ended_is_refused", &[23], "connection passed on (`SCM_RIGHTS`), its maker ended", Agent(Reason::CallerGone), "looked at again for each request"),
    Row::new("connection_passed_to_another_user_stays_its_makers", &[23], "connection passed on (`SCM_RIGHTS`), its maker lives", InAnothersName, "nothing: the maker gave it away")
        .but("a program that hands its connections out speaks for whoever gets them; requests end with the process that connected"),
    Row::new("connection_taken_out_of_the_allowed_program_stays_its_makers", &[23, 28], "connection taken out of the allowed program (`pidfd_getfd`), by its user", InAnothersName, "the user is the boundary: it takes the right to trace")
        .but("set `ptrace_scope` to 1 or more, and give what is allowed a user of its own"),
];

const AGENT: &[Row] = &[
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
        "found by `sock_diag` and destroyed",
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

/// What no test can settle.
pub const ARGUMENTS: &[Argument] = &[
    Argument {
        threat: 30,
        threat_is: "a group's name that a directory service lies about",
        argument: "names are resolved by the guest's own NSS, after numbers were compared; who runs that service is root's choice",
    },
    Argument {
        threat: 31,
        threat_is: "names that look alike",
        argument: "names are compared byte for byte; what people read is not decided about",
    },
    Argument {
        threat: 48,
        threat_is: "root, a kernel module, `CAP_BPF` or `CAP_SYS_ADMIN`",
        argument: "outside of the boundary: it can read the key. It gains this machine's metadata and no other's, because each machine has a key of its own",
    },
    Argument {
        threat: 49,
        threat_is: "`sk_lookup` misunderstood",
        argument: "not used: it sees packets that arrive, not connections that leave",
    },
    Argument {
        threat: 50,
        threat_is: "BPF LSM not active",
        argument: "not needed: no defence here is an LSM hook",
    },
];
