/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel knows about the agent: who it is, where it listens, whether it lives.
 *
 * Both maps are read and written under a spin lock (user space writes with BPF_F_LOCK), because an
 * update of an array element is a plain copy that a program could otherwise see half done.
 */
#ifndef LATCHKEY_AGENT_H
#define LATCHKEY_AGENT_H

#include "kernel.h"
#include "layout.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct heartbeat);
} heartbeat SEC(".maps");

/* Copies the claim; a map that cannot be read leaves zeroes, which describe no agent at all. */
static __always_inline void read_claim(struct claim *claim)
{
	__u32 zero = 0;
	struct settings *current = bpf_map_lookup_elem(&settings, &zero);

	if (!current) {
		__builtin_memset(claim, 0, sizeof(*claim));
		return;
	}
	bpf_spin_lock(&current->lock);
	__builtin_memcpy(claim, &current->claim, sizeof(*claim));
	bpf_spin_unlock(&current->lock);
}

static __always_inline __u64 start_of_current_process(void)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();

	return BPF_CORE_READ(task, group_leader, start_boottime);
}

/* A later process that got the agent's number has another start time and is not exempt. */
static __always_inline bool is_agent(const struct claim *claim)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	return claim->agent_tgid && tgid == claim->agent_tgid &&
	       start_of_current_process() / NS_PER_CLOCK_TICK == claim->agent_start_ticks;
}

static __always_inline bool agent_is_alive(void)
{
	__u32 zero = 0;
	__u64 beat, now;
	struct heartbeat *current = bpf_map_lookup_elem(&heartbeat, &zero);

	if (!current)
		return false;
	bpf_spin_lock(&current->lock);
	beat = current->boottime_ns;
	bpf_spin_unlock(&current->lock);

	/* Read after the heartbeat, so that a beat from another CPU is never in the future. */
	now = bpf_ktime_get_boot_ns();
	return beat && now - beat <= HEARTBEAT_LIMIT_NS;
}

#endif
