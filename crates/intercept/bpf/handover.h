/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether somebody else than the caller sends over its connection: a child that inherited the
 * socket, a process that was given it, or the same one after an exec.
 *
 * The mark is there before a record is published and can only be set, so no lack of room hides it.
 * The tracepoint tells in the sender's own context, after the call: the first bytes may be in the
 * listener's socket a moment earlier.
 */
#ifndef LATCHKEY_HANDOVER_H
#define LATCHKEY_HANDOVER_H

#include "connection.h"
#include "counters.h"
#include "kernel.h"
#include "layout.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_FLOWS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_key);
	__type(value, __u32);
} handovers SEC(".maps");

/* Returns whether there was room for the mark. */
static __always_inline bool prepare_mark(const struct flow_key *key)
{
	__u32 unmarked = 0;

	return !bpf_map_update_elem(&handovers, key, &unmarked, BPF_ANY);
}

static __always_inline void remove_mark(const struct flow_key *key)
{
	bpf_map_delete_elem(&handovers, key);
}

/* TP_PROTO(struct sock *sk, int ret, int flags) */
SEC("tp_btf/sock_send_length")
int watch_sender(__u64 *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	struct connection *connection;
	int sent = ctx[1];
	__u32 *mark;

	if (sent <= 0)
		return 0;
	connection = bpf_sk_storage_get(&connections, (void *)ctx[0], NULL, 0);
	if (!connection || connection->state != CONNECTION_PUBLISHED)
		return 0;
	if (connection->identity.thread.tgid == bpf_get_current_pid_tgid() >> 32 &&
	    connection->identity.thread.exec_id == BPF_CORE_READ(task, self_exec_id))
		return 0;
	mark = bpf_map_lookup_elem(&handovers, &connection->key);
	if (mark && !*mark) {
		*mark = 1;
		count(COUNTER_HANDED_OVER);
	}
	return 0;
}

#endif
