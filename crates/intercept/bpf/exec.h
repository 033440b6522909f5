/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which script a process runs: known at exec alone, because afterwards only the interpreter is left.
 *
 * A record is good for one exec. What could not be recorded is no script to anybody, so a full table
 * makes rules for scripts refuse and never permit. Socket programs on 6.1 cannot read task storage,
 * hence a table that the end of a process cleans.
 */
#ifndef LATCHKEY_EXEC_H
#define LATCHKEY_EXEC_H

#include "agent.h"
#include "counters.h"
#include "kernel.h"
#include "layout.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_SCRIPTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct process_key);
	__type(value, struct script);
} scripts SEC(".maps");

/* Tracing programs see every process of the machine; others than ours are left alone. */
static __always_inline bool is_current_covered(void)
{
	struct claim claim = {};

	read_claim(&claim);
	return claim.cgroup_id &&
	       bpf_get_current_ancestor_cgroup_id(claim.cgroup_level) == claim.cgroup_id;
}

static __always_inline struct process_key key_of(struct task_struct *task)
{
	struct process_key key = {
		.start_boottime_ns = BPF_CORE_READ(task, group_leader, start_boottime),
		.tgid = BPF_CORE_READ(task, tgid),
	};

	return key;
}

static __always_inline bool is_same(const char *path, const char *other, int bytes)
{
	for (int i = 0; i < bytes; i++)
		if (path[i] != other[i])
			return false;
	return true;
}

/* `#!/usr/bin/env python3` executes twice; the second time is still the script's. */
static __always_inline bool is_env(const char *interpreter)
{
	const char usual[] = "/usr/bin/env", older[] = "/bin/env";
	char path[sizeof(usual) + 1] = {}; /* one more, so that a longer path is not cut to it */

	bpf_probe_read_kernel_str(path, sizeof(path), interpreter);
	return is_same(path, usual, sizeof(usual)) || is_same(path, older, sizeof(older));
}

/* The file that was asked for is the one that runs. Keeps the script only for env's own exec. */
static __always_inline void record_program(const struct process_key *key, __u64 exec_id)
{
	struct script *before = bpf_map_lookup_elem(&scripts, key);

	if (!before)
		return;
	if (before->through_env && before->exec_id + 1 == exec_id) {
		before->through_env = 0;
		before->exec_id = exec_id;
		return;
	}
	bpf_map_delete_elem(&scripts, key);
}

static __always_inline void record_script(const struct process_key *key, __u64 exec_id,
					  const char *path, const char *interpreter)
{
	struct script script = { .exec_id = exec_id, .through_env = is_env(interpreter) };
	long bytes = bpf_probe_read_kernel_str(script.path, sizeof(script.path), path);

	/* With its NUL; a path that fills the room may have been cut off. */
	if (bytes > 1 && bytes < sizeof(script.path))
		script.path_bytes = bytes - 1;
	if (!bpf_map_update_elem(&scripts, key, &script, BPF_ANY))
		return;
	bpf_map_delete_elem(&scripts, key);
	count(COUNTER_EXEC_TABLE_FULL);
}

/* TP_PROTO(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm) */
SEC("tp_btf/sched_process_exec")
int record_exec(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct linux_binprm *program = (void *)ctx[2];
	const char *asked = BPF_CORE_READ(program, filename);
	const char *executed = BPF_CORE_READ(program, interp);
	struct process_key key;
	__u64 exec_id;

	if (!is_current_covered())
		return 0;
	key = key_of(task);
	exec_id = BPF_CORE_READ(task, self_exec_id);
	/* One string for both unless an interpreter took the place of what was asked for. */
	if (asked == executed)
		record_program(&key, exec_id);
	else
		record_script(&key, exec_id, asked, executed);
	return 0;
}

/* A child goes on with its parent's script. TP_PROTO(parent, child) */
SEC("tp_btf/sched_process_fork")
int record_fork(__u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
	struct process_key key, parent_key;
	struct script *script;

	if (BPF_CORE_READ(child, tgid) == BPF_CORE_READ(parent, tgid) || !is_current_covered())
		return 0;
	parent_key = key_of(parent);
	script = bpf_map_lookup_elem(&scripts, &parent_key);
	if (!script)
		return 0;
	key = key_of(child);
	if (bpf_map_update_elem(&scripts, &key, script, BPF_ANY))
		count(COUNTER_EXEC_TABLE_FULL);
	return 0;
}

/* TP_PROTO(struct task_struct *p, ...); runs for each thread, after it was counted out. */
SEC("tp_btf/sched_process_exit")
int forget_exec(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct process_key key;

	if (BPF_CORE_READ(task, signal, live.counter))
		return 0;
	key = key_of(task);
	bpf_map_delete_elem(&scripts, &key);
	return 0;
}

#endif
