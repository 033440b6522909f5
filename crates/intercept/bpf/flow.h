/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flow records: what the agent finds about a connection that it accepted.
 *
 * A record appears before the connection's first packet and disappears when its socket closes, so
 * none is left behind for a later connection with the same addresses.
 */
#ifndef LATCHKEY_FLOW_H
#define LATCHKEY_FLOW_H

#include "address.h"
#include "connection.h"
#include "counters.h"
#include "handover.h"
#include "limit.h"

/* No LRU: a flood must not evict the record of somebody else. Not preallocated: usually empty. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_FLOWS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_key);
	__type(value, struct identity);
} flows SEC(".maps");

/* The socket's own view of its connection; a mapped socket has no valid IPv6 addresses here yet. */
static __always_inline void fill_flow_key(struct bpf_sock_ops *ctx, struct connection *connection,
					  __u32 initial_sequence)
{
	struct flow_key *key = &connection->key;

	key->netns_cookie = connection->identity.netns_cookie;
	if (is_ipv4(&connection->identity.original_address)) {
		key->source = from_ipv4(ctx->local_ip4);
		key->destination = from_ipv4(ctx->remote_ip4);
	} else {
		key->source.word[0] = ctx->local_ip6[0];
		key->source.word[1] = ctx->local_ip6[1];
		key->source.word[2] = ctx->local_ip6[2];
		key->source.word[3] = ctx->local_ip6[3];
		key->destination.word[0] = ctx->remote_ip6[0];
		key->destination.word[1] = ctx->remote_ip6[1];
		key->destination.word[2] = ctx->remote_ip6[2];
		key->destination.word[3] = ctx->remote_ip6[3];
	}
	key->source_port = ctx->local_port;
	key->destination_port = bpf_ntohl(ctx->remote_port);
	key->initial_sequence = initial_sequence;
}

/* Runs after the source port is chosen and before the SYN is sent: the agent is never too early. */
static __always_inline void publish(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct connection *connection;
	struct tcp_sock *tcp;

	if (!sk)
		return;
	connection = bpf_sk_storage_get(&connections, sk, NULL, 0);
	if (!connection || connection->state != CONNECTION_ARMED)
		return;
	connection->state = CONNECTION_OVER;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return;
	/* The number is chosen already, and the SYN that follows carries it. */
	fill_flow_key(ctx, connection, tcp->write_seq);
	/* A record that nothing would retire is worse than none. */
	if (bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags |
						   BPF_SOCK_OPS_STATE_CB_FLAG) ||
	    !take_share(connection->account)) {
		count(COUNTER_FLOW_TABLE_FULL);
		return;
	}
	if (!prepare_mark(&connection->key) ||
	    bpf_map_update_elem(&flows, &connection->key, &connection->identity, BPF_ANY)) {
		remove_mark(&connection->key);
		return_share(connection->account);
		count(COUNTER_FLOW_TABLE_FULL);
		return;
	}
	connection->state = CONNECTION_PUBLISHED;
	count(COUNTER_FLOW_PUBLISHED);
}

static __always_inline void retire(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct connection *connection;

	if (!sk)
		return;
	connection = bpf_sk_storage_get(&connections, sk, NULL, 0);
	if (!connection || connection->state != CONNECTION_PUBLISHED)
		return;
	connection->state = CONNECTION_OVER;
	return_share(connection->account);
	remove_mark(&connection->key);
	if (!bpf_map_delete_elem(&flows, &connection->key))
		count(COUNTER_FLOW_RETIRED); /* the agent had not taken it */
}

#endif
