//! Sends connections for protected endpoints to the agent, together with who asked for them.
//!
//! A connect(2) to a protected (address, TCP port) is rewritten to the agent's listener while the
//! caller is still inside the call; its identity is stored on the socket and published as a flow
//! record when the source port is known. The agent [takes](FlowTable::take) the record once. What
//! cannot be redirected with an identity is refused in [`InterceptMode::Enforce`] and let through
//! and counted in [`InterceptMode::Audit`]. Nothing else is touched: another port of the same
//! address passes. This crate knows nothing of HTTP or rules, and is the only one with `unsafe`.
//!
//! # Programs
//!
//! All are attached by pinned links to one cgroup and cover every cgroup below it. The kernel
//! versions are those that brought the newest thing a program uses.
//!
//! | program | hook | does | kernel |
//! |---|---|---|---|
//! | `connect4`, `connect6` | connect(2), TCP Fast Open, MPTCP; UDP too | redirects with identity, exempts the agent, or decides by mode; bounds each cgroup | 5.18 (`bpf_set_retval`) |
//! | `sendmsg4`, `sendmsg6` | datagrams to an address | refuses them for a protected port (Enforce) | 5.18 (`bpf_set_retval`) |
//! | `sock_ops` | `TCP_CONNECT_CB`, `STATE_CB` | publishes the flow record before the first packet, retires it when the socket closes | 5.7 (links to cgroups) |
//! | `getpeername4`, `getpeername6` | getpeername(2) | shows the caller the peer that it asked for (not through MPTCP) | 5.8 |
//! | `egress` | packets of sockets (`cgroup_skb`) | stops those to an endpoint that the agent's sockets did not send (raw sockets, UDP-Lite, connections from before Enforce) | 5.7 (links to cgroups) |
//! | `bind4`, `bind6` | bind(2) | leaves the listener's port to root of the initial user namespace | 5.15 (`bpf_get_current_task_btf`) |
//!
//! Two more are on the links of the agent's network namespace, loopback excepted, by
//! [`Interceptor::guard_links`]: `link_frames` (Ethernet) and `link_packets` (tunnels and others
//! without frames). They stop what has no socket of a cgroup: forwarded packets, packet sockets,
//! macvlan children. The link is tcx (kernel 6.6), before that a filter of a `clsact` qdisc.
//!
//! # What the guard on packets judges
//!
//! | packet to a protected address | |
//! |---|---|
//! | TCP, UDP, UDP-Lite, SCTP or DCCP to the protected port | the agent's socket, or by mode |
//! | the same, TCP with neither SYN nor payload, and no fragment | passes: it opens and asks nothing |
//! | another port (DNS, DHCP, NTP), ICMP, another protocol | passes |
//! | a fragment that is not the first | passes: nothing is put together without the first |
//! | ports cut off, more than eight IPv6 extension headers | by the strictest mode of the address |
//! | frame with more than four VLAN tags | by the strictest mode of all endpoints |
//!
//! Headers count, not the protocol that a packet socket claims; VLAN tags, LLC and SNAP are read
//! through. `64:ff9b::/96` (NAT64) is the IPv4 address in it; other NAT64 prefixes are not known.
//! What is the agent's is said by the socket's storage, which only `connect4` and `connect6` write.
//!
//! These pass, and only the host's check of the signature stops them: `PACKET_QDISC_BYPASS` and
//! `AF_XDP`, which pass all programs on a link; packet sockets that let the kernel write a checksum
//! over what was judged (`PACKET_VNET_HDR`); tunnels whose other end is outside; IPv4 source routes
//! and IPv6 routing headers, whose first hop is judged; a link in the moment in which it appears; a
//! link of an unknown kind, which [`Interceptor::guarded_links`] names.
//!
//! # Tracing programs
//!
//! Tracing programs see the whole machine and do nothing for processes outside of that cgroup, but
//! for the two that record what a process executed: it may come into the cgroup later. They are
//! optional: [`Interceptor::missing_features`] tells what a kernel refused.
//!
//! | program | hook | does | kernel | without it |
//! |---|---|---|---|---|
//! | `record_exec`, `record_fork`, `forget_exec` | `tp_btf/sched_process_exec`, `_fork`, `_exit` | keep the script that each process runs | 6.1 | no caller has a script |
//! | `record_executable`, `inherit_executable` | `tp_btf/sched_process_exec`, `_fork` | keep the file that each process executed | 6.1 | what a process shows as its executable is believed |
//! | `record_running` | `iter/task`, run by [`Interceptor::attach`] | does so for processes that are there already | 6.1 | as above |
//! | `watch_sending` | `tp_btf/tcp_sendmsg_locked` | marks a connection over which somebody else sends, before the bytes are there | 6.16 | `watch_sent` |
//! | `watch_sent` | `tp_btf/sock_send_length` | the same, once they are sent | 6.4 | [`Standing::HandedOver`] is never told |
//! | `describe_thread` | `iter/task`, run by the agent | tells what a thread is now and what its process executed | 6.1 | [`FlowTable::standing`] reads `/proc`, which cannot tell an exec of the same file |
//!
//! Their links cannot be updated: a new one takes the old one's pin, and for a moment both run.
//!
//! Reading and removing a record in one step needs 5.14, and so does `SO_NETNS_COOKIE`. The
//! object is relocated to the running kernel and therefore needs its BTF.
//!
//! A socket may also get a port that it did not ask for, so [`Interceptor::attach`] adds the
//! listener's to `net.ipv4.ip_local_reserved_ports`, where it stays.
//!
//! # Maps
//!
//! All are pinned, so that a restarted agent finds its endpoints, modes and unclaimed flows.
//!
//! | map | type | holds |
//! |---|---|---|
//! | `settings` | array of 1, spin lock | layout version, agent process, network namespace, listeners |
//! | `heartbeat` | array of 1, spin lock | when the agent last said that it lives |
//! | `endpoints` | hash of 128 | address and port → mode and number |
//! | `guarded_ports` | array of 1,024 | a bit for each protected port, by which most packets pass |
//! | `guarded_addresses` | hash of 256 | address → strictest mode, for packets that cannot be read |
//! | `connections` | socket storage | identity of the caller, or whose the socket is; freed with it |
//! | `flows` | hash of 65,536 | network namespace, source, destination and the SYN's sequence number → identity |
//! | `counters` | per-CPU array | [`Counter`] |
//! | `limits` | array of 1, spin lock | [`KernelLimits`] |
//! | `buckets` | LRU hash of 16,384 | cgroup → when it may connect at full speed again |
//! | `shares` | hash of 65,536 | cgroup → redirected connections that are open |
//! | `scripts` | hash of 32,768 | process number and start time → exec id, path of the script |
//! | `handovers` | hash of 65,536 | as `flows` → whether somebody else has sent over the connection |
//! | `executed` | task storage | the file that the process executed, and in which exec; freed with it |
//!
//! # What a look at a caller does not see
//!
//! [`FlowTable::standing`] compares the process that connected. A process that only reads from a
//! socket that it was given is not noticed, nor one that sends over an MPTCP socket, whose identity
//! lies on a subflow. Before 6.16 a send is told when it is over, so whoever can make it last (a page
//! of the message that takes its time to arrive) may have an answer before. None of this gives more
//! than a caller that relays for others, which nothing can tell.
//!
//! Credentials are those that are in force: `io_uring`'s for a registered personality, the effective
//! ids of a set-user-ID program. They are compared with the thread's own later, so whoever borrowed
//! credentials to connect counts as replaced.
//!
//! # What a process shows as its executable
//!
//! A flow record holds what `/proc/PID/exe` shows, and a process may make that another file
//! (`PR_SET_MM_MAP`): in a child that shares its memory and has a user namespace of its own.
//! [`FlowTable::standing`] therefore compares it with the file that was executed, by device, inode
//! number and generation; who shows another one is [`Standing::Replaced`]. What this does not see:
//!
//! - A process that ran before the programs were first attached is taken at its word of that moment,
//!   and so are the children that it had. What it shows later is compared with that. A restart of the
//!   agent changes nothing for it, because links and records are pinned.
//! - On a file system whose inodes have no generation (overlayfs), a file that got the number of the
//!   executed one after that was removed is taken for it.
//! - What a process executed and what it runs may differ: whoever may trace it, preload into it or
//!   write to its memory speaks in its name.
//!
//! A process that CRIU restored shows the program that it was and has executed `criu`: it is refused.
//! So is one of which the kernel had no memory for a record ([`Counter::ExecutableLost`]), until it
//! executes something.
//!
//! # Connections from before
//!
//! A redirect is decided when a connection is opened. [`end_preexisting`] finds those that were open
//! already and destroys them (needs `CONFIG_INET_DIAG_DESTROY`) or reports them.
//!
//! # When somebody changes what is attached
//!
//! An [`Interceptor`] keeps its links, programs and maps open, so removing a pin detaches nothing
//! while it lives. [`Interceptor::check`] compares everything with what was set up, and
//! [`Interceptor::restore`] brings it back: maps, claim and endpoints first, then the links in the
//! order of attaching. [`Surveyor::survey`] looks for programs of others on the same hooks.
//!
//! Ours are attached behind those that are there. What runs before ours and rewrites a destination
//! is judged by what it wrote; only what runs after ours could undo it, so being first
//! (`BPF_F_BEFORE`, kernel 6.17) would be worse.
//!
//! # When the agent is not there
//!
//! | state | Enforce | Audit |
//! |---|---|---|
//! | never claimed, or no heartbeat for 5 s | `ECONNREFUSED` | passes, counted |
//! | stopped less than 5 s ago | redirected to the listener | redirected to the listener |
//! | new agent attached, not claimed yet | as before it attached | as before it attached |
//! | [`detach`]ed | passes | passes |

mod cgroup;
mod cgroup_place;
mod cgroup_tree;
mod counter;
pub mod coverage;
mod endpoint;
mod endpoint_maps;
mod error;
mod feature;
mod finding;
mod flow;
mod guard;
mod held;
mod hold;
mod hook;
mod interceptor;
mod layout;
mod limit;
mod mount;
mod neighbour;
mod pin;
mod pinned;
mod preexisting;
mod presence;
mod process;
mod reserve;
mod rtnetlink;
mod socket;
mod standing;
mod survey;
mod sys;
mod thread;
mod tracing;
mod watched;

pub use cgroup_tree::CgroupTree;
pub use counter::{Counter, Counters};
pub use endpoint::{EndpointError, InterceptMode, InterceptedEndpoint};
pub use error::InterceptError;
pub use feature::{Feature, MissingFeature};
pub use finding::{Finding, Problem};
pub use flow::{AddressFamily, FlowError, FlowRecord, FlowTable};
pub use guard::{GuardKind, GuardedLink, LinkGuardError};
pub use hook::Attachment;
pub use interceptor::{InterceptConfig, Interceptor, ProgramState};
pub use limit::KernelLimits;
pub use mount::{BPFFS, MountError, ensure_bpffs, find_cgroup2_mount};
pub use neighbour::{Neighbour, Order, Sharing};
pub use pin::{attachments, detach};
pub use preexisting::{
    Destination, Fate, OpenConnection, Preexisting, PreexistingError, Sweep, Transport,
    end_preexisting,
};
pub use presence::Presence;
pub use process::{AgentProcess, Executable, Gid, Pid, ProcessError, StartTime, Uid};
pub use rtnetlink::LinkEvents;
pub use socket::{keep_syn, netns_cookie};
pub use standing::{Connection, Standing};
pub use survey::{Survey, Surveyor};
pub use thread::{ExecId, ScriptPath, SupplementaryGroups, Tid};
pub use watched::Effect;
