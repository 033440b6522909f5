/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stops packets to an endpoint that no socket of the agent sends, whatever made them.
 *
 * Only the protected port is ours: DNS, DHCP, NTP and ICMP pass from every kind of socket. What may
 * pass is told by the storage of the socket alone, which nobody but `connect4/6` can write.
 */
#ifndef LATCHKEY_EGRESS_H
#define LATCHKEY_EGRESS_H

#include <linux/pkt_cls.h>

#include "connection.h"
#include "counters.h"
#include "packet.h"

/* What a program of type cgroup_skb answers; the sender gets EPERM for the one. */
enum {
	STOPS = 0,
	PASSES = 1,
};

/* Returns the mode of what the packet asks for, or 0 when that is not protected. */
static __always_inline __u32 mode_of(enum reading reading, const struct packet *packet)
{
	struct endpoint_key asked = { .address = packet->destination, .port = packet->port };
	struct endpoint *endpoint;
	__u32 *strictest;

	if (reading == NOT_OURS)
		return 0;
	if (reading == ASKS) {
		endpoint = bpf_map_lookup_elem(&endpoints, &asked);
		return endpoint ? endpoint->mode : 0;
	}
	strictest = bpf_map_lookup_elem(&guarded_addresses, &packet->destination);
	return strictest ? *strictest : 0;
}

/* `create` is 0 or BPF_SK_STORAGE_GET_F_CREATE. */
static __always_inline struct connection *connection_of(struct __sk_buff *skb, __u64 create)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return NULL;
	sk = bpf_sk_fullsock(sk);
	return sk ? bpf_sk_storage_get(&connections, sk, NULL, create) : NULL;
}

static __always_inline int guard_socket(struct __sk_buff *skb, enum reading reading,
					const struct packet *packet)
{
	__u32 mode = mode_of(reading, packet);
	struct connection *connection;

	if (!mode)
		return PASSES;
	connection = connection_of(skb, 0);
	if (connection && connection->state == CONNECTION_OWN)
		return PASSES;
	if (mode != MODE_AUDIT) {
		count(COUNTER_EGRESS_REFUSED);
		return STOPS;
	}
	if (connection && connection->state == CONNECTION_PASSED)
		return PASSES;
	count(COUNTER_EGRESS_PASSED);
	/* Counted once for each socket, and not again on its link. */
	connection = connection_of(skb, BPF_SK_STORAGE_GET_F_CREATE);
	if (connection)
		connection->state = CONNECTION_PASSED;
	return PASSES;
}

/* Leaves what is not stopped to the programs of others on the same link. */
static __always_inline int guard_link(struct __sk_buff *skb, enum reading reading,
				      const struct packet *packet)
{
	__u32 mode = mode_of(reading, packet);
	struct connection *connection;

	if (!mode)
		return TC_ACT_UNSPEC;
	connection = connection_of(skb, 0);
	if (connection && connection->state == CONNECTION_OWN)
		return TC_ACT_UNSPEC;
	if (mode != MODE_AUDIT) {
		count(COUNTER_FORWARDED_REFUSED);
		return TC_ACT_SHOT;
	}
	if (!connection || connection->state != CONNECTION_PASSED)
		count(COUNTER_FORWARDED_PASSED);
	return TC_ACT_UNSPEC;
}

#endif
