/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether somebody else than the caller sends over its connection: a child that inherited the
 * socket, a process that was given it, or the same one after an exec.
 *
 * The mark is there before a record is published and can only be set, so no lack of room hides it.
 * Both tracepoints tell in the sender's own context; one of them is attached. The newer one comes
 * before the bytes, the older one after the call: the first bytes may be read a moment earlier.
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

static __always_inline bool is_caller(struct task_struct *task, const struct thread *caller)
{
	return BPF_CORE_READ(task, tgid) == caller->tgid &&
	       BPF_CORE_READ(task, self_exec_id) == caller->exec_id;
}

static __always_inline void mark_sender(struct sock *sk)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	struct connection *connection = bpf_sk_storage_get(&connections, sk, NULL, 0);
	__u32 *mark;

	if (!connection || connection->state != CONNECTION_PUBLISHED)
		return;
	/* A kernel thread without an address space finishes what somebody else has begun. */
	if (is_caller(task, &connection->identity.thread) || !BPF_CORE_READ(task, mm))
		return;
	mark = bpf_map_lookup_elem(&handovers, &connection->key);
	if (!mark || *mark)
		return;
	*mark = 1;
	count(COUNTER_HANDED_OVER);
}

/* TP_PROTO(const struct sock *sk, const struct msghdr *msg, const struct sk_buff *skb, int) */
SEC("tp_btf/tcp_sendmsg_locked")
int watch_sending(__u64 *ctx)
{
	mark_sender((void *)ctx[0]);
	return 0;
}

/* TP_PROTO(struct sock *sk, int ret, int flags) */
SEC("tp_btf/sock_send_length")
int watch_sent(__u64 *ctx)
{
	int sent = ctx[1];

	if (sent > 0)
		mark_sender((void *)ctx[0]);
	return 0;
}

#endif
