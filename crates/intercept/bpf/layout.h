/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The forms that the programs and src/layout.rs share, byte for byte.
 *
 * Pinned maps outlive the agent that made them: whoever changes a size, an order or a meaning here
 * raises LAYOUT_VERSION, so that an agent refuses maps that it would misread. Addresses are sixteen
 * bytes in network order, IPv4 as ::ffff:a.b.c.d; ports are in host order.
 */
#ifndef LATCHKEY_LAYOUT_H
#define LATCHKEY_LAYOUT_H

#include <linux/bpf.h>

#define LAYOUT_VERSION 3
#define COMM_BYTES 16
#define MAX_ENDPOINTS 128
#define MAX_FLOWS 65536
#define MAX_GUARDED_ADDRESSES 256
#define PORTS_PER_WORD 64
#define PORT_WORDS (65536 / PORTS_PER_WORD)
#define MAX_BUCKETS 16384
#define MAX_GROUPS 64
#define MAX_SCRIPTS 32768
#define SCRIPT_PATH_BYTES 256

/* A heartbeat older than this means that no agent serves the listener. */
#define HEARTBEAT_LIMIT_NS 5000000000ULL

/* /proc/PID/stat shows start times in hundredths of a second. */
#define NS_PER_CLOCK_TICK 10000000ULL

struct address {
	__u32 word[4];
};

struct endpoint_key {
	struct address address;
	__u16 port;
	__u16 reserved;
};
_Static_assert(sizeof(struct endpoint_key) == 20, "src/layout.rs");

enum endpoint_mode {
	MODE_AUDIT = 1,
	MODE_ENFORCE = 2,
};

struct endpoint {
	__u32 mode;
	__u32 index;
};
_Static_assert(sizeof(struct endpoint) == 8, "src/layout.rs");

/* Who may reach the endpoints directly, and where everyone else is sent. */
struct claim {
	__u64 netns_cookie;
	__u64 agent_start_ticks;
	__u32 agent_tgid;
	__u16 listener_port;
	__u16 listener6_port; /* 0: no listener for native IPv6 */
	struct address listener;
	struct address listener6;
	__u64 cgroup_id;    /* of the cgroup that the programs are attached to */
	__u32 cgroup_level; /* below the root of the hierarchy, which has 0 */
	__u32 reserved;
};
_Static_assert(sizeof(struct claim) == 72, "src/layout.rs");

struct settings {
	struct bpf_spin_lock lock;
	__u32 layout_version;
	struct claim claim;
};
_Static_assert(sizeof(struct settings) == 80, "src/layout.rs");

struct heartbeat {
	struct bpf_spin_lock lock;
	__u32 reserved;
	__u64 boottime_ns; /* 0: never */
};
_Static_assert(sizeof(struct heartbeat) == 16, "src/layout.rs");

/* What one account may do; an account is the cgroup that limit.h names. */
struct limits {
	__u64 connect_interval_ns; /* one connect in this time ... */
	__u64 burst_ns;            /* ... or so much of it at once */
	__u32 open_connections;
	__u32 account_level;
};
_Static_assert(sizeof(struct limits) == 24, "src/layout.rs");

struct limit_settings {
	struct bpf_spin_lock lock;
	__u32 reserved;
	struct limits limits;
};
_Static_assert(sizeof(struct limit_settings) == 32, "src/layout.rs");

/* What a thread may do, and what may change about it while a connection of it is open. */
struct thread {
	__u64 start_boottime_ns; /* of its process */
	__u64 exec_id;		 /* another one after each exec */
	__u32 tgid;
	__u32 tid;
	__u32 uid;
	__u32 gid;
	__u32 euid;
	__u32 egid;
	__u32 user_namespace_level; /* 0: the initial user namespace */
	__u32 user_namespace;
	__u32 process_has_ended;
	__u32 group_count;	   /* more than MAX_GROUPS: the list is not complete */
	__u32 groups[MAX_GROUPS]; /* supplementary, in the kernel's ascending order */
};
_Static_assert(sizeof(struct thread) == 312, "src/layout.rs");

/* The file that a process executed, as it was known in that moment. */
struct executed {
	__u64 exec_id; /* of the exec; the process may have another one by now */
	__u64 inode;
	__u32 device; /* major << 20 | minor */
	__u32 generation; /* of the inode, whose number may be given to another file */
	__u32 is_known;
	__u32 reserved;
};
_Static_assert(sizeof(struct executed) == 32, "src/layout.rs");

/* A thread and its process as they are when the agent asks. */
struct description {
	struct thread thread;
	struct executed executed;
};
_Static_assert(sizeof(struct description) == 344, "src/layout.rs");

/* The caller of connect(), as the kernel knew it in that moment. */
struct identity {
	struct thread thread;
	__u64 executable_inode;
	__u64 cgroup_id;
	__u64 netns_cookie; /* of the socket */
	struct address original_address;
	__u32 executable_device; /* major << 20 | minor */
	__u32 mount_namespace;
	__u32 network_namespace; /* of the task */
	__u32 endpoint_index;
	__u16 original_port;
	__u16 address_family;
	__u8 comm[COMM_BYTES];
	__u32 executable_generation;
};
_Static_assert(sizeof(struct identity) == 392, "src/layout.rs");

/* Names one process until the next boot. */
struct process_key {
	__u64 start_boottime_ns;
	__u32 tgid;
	__u32 reserved;
};
_Static_assert(sizeof(struct process_key) == 16, "src/layout.rs");

/* The script that a process runs, good only as long as its exec id is the process's. */
struct script {
	__u64 exec_id;
	__u32 path_bytes; /* 0: too long to be known */
	__u32 through_env;
	__u8 path[SCRIPT_PATH_BYTES];
};
_Static_assert(sizeof(struct script) == 272, "src/layout.rs");

/*
 * A connection as the agent sees it on the socket that it accepted. Addresses and ports alone do not
 * name one: sockets that are bound to different devices may share them, so the SYN's number counts.
 */
struct flow_key {
	__u64 netns_cookie;
	struct address source;
	struct address destination;
	__u16 source_port;
	__u16 destination_port;
	__u32 initial_sequence; /* of the caller's side */
};
_Static_assert(sizeof(struct flow_key) == 48, "src/layout.rs");

enum connection_state {
	CONNECTION_ARMED = 1,     /* redirected, the source port is not known yet */
	CONNECTION_PUBLISHED = 2, /* its record was put into `flows` */
	CONNECTION_OVER = 3,      /* closed, or there was no room for a record */
	CONNECTION_OWN = 4,       /* not redirected: the agent's own */
	CONNECTION_PASSED = 5,    /* not redirected: let through and counted, in Audit */
};

/* What a socket carries until it is closed or connected anew. */
struct connection {
	struct identity identity;
	struct flow_key key;
	__u64 account;
	__u32 state;
	__u32 asked_by_nat64; /* 1: the caller wrote the IPv4 address as 64:ff9b::a.b.c.d */
};
_Static_assert(sizeof(struct connection) == 456, "src/layout.rs");

#endif
