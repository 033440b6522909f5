/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which file a process executed, kept on the process itself: there is no table to fill, and the
 * record ends with the process.
 *
 * SECURITY: mm->exe_file, which /proc/PID/exe shows, is what a process says of itself. Whoever makes
 * a user namespace may name any other file (PR_SET_MM_MAP), and may do so in a child that shares the
 * memory of a process outside of it. Hence the exec's word, and for what ran before, the word of the
 * moment in which the programs came.
 *
 * Every process of the machine has a record: one without could be moved into the cgroup later.
 */
#ifndef LATCHKEY_EXECUTED_H
#define LATCHKEY_EXECUTED_H

#include "counters.h"
#include "kernel.h"
#include "layout.h"

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct executed);
} executed SEC(".maps");

/* Threads share the record of their process, which is on the thread that leads it. */
static __always_inline struct executed *record_of(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;

	return leader ? bpf_task_storage_get(&executed, leader, NULL, 0) : NULL;
}

/* Returns whether there was room. A record that was not replaced is one of another exec. */
static __always_inline bool keep(struct task_struct *leader, struct executed *now)
{
	struct executed *record = bpf_task_storage_get(&executed, leader, now,
						       BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!record) {
		count(COUNTER_EXECUTABLE_LOST);
		return false;
	}
	*record = *now;
	return true;
}

static __always_inline struct executed execution(struct task_struct *task, struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct executed now = {
		.exec_id = BPF_CORE_READ(task, self_exec_id),
		.inode = BPF_CORE_READ(inode, i_ino),
		.device = BPF_CORE_READ(inode, i_sb, s_dev),
		.generation = BPF_CORE_READ(inode, i_generation),
		.is_known = 1,
	};

	return now;
}

/* For a script this is its interpreter. TP_PROTO(task, old_pid, struct linux_binprm *program) */
SEC("tp_btf/sched_process_exec")
int record_executable(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0]; /* leads its process from now on */
	struct linux_binprm *program = (void *)ctx[2];
	struct executed now = execution(task, BPF_CORE_READ(program, file));

	keep(task, &now);
	return 0;
}

/* A child runs what its parent executed, whatever its memory says. TP_PROTO(parent, child) */
SEC("tp_btf/sched_process_fork")
int inherit_executable(__u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
	struct executed *record, now;

	if (child->tgid == parent->tgid)
		return 0;
	record = record_of(parent);
	if (!record)
		return 0;
	now = *record;
	keep(child, &now);
	return 0;
}

/*
 * Records what runs already, and tells how many it found by so many bytes. What has a record of its
 * last exec keeps it, so only the agent's first start takes anybody at his word.
 */
SEC("iter/task")
int record_running(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task, *leader;
	struct file *file;
	struct executed *record, now;
	__u64 recorded;
	__u8 found = 1;

	if (!task)
		return 0; /* the end of the list */
	record = record_of(task);
	/* Read before the number that grows, so that an exec in between is no reason to write. */
	recorded = record ? record->exec_id : 0;
	file = BPF_CORE_READ(task, mm, exe_file);
	leader = task->group_leader;
	if (!file || !leader)
		return 0; /* a kernel thread, or one that has ended */
	now = execution(task, file);
	if (record && recorded >= now.exec_id)
		return 0;
	if (keep(leader, &now))
		bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
	return 0;
}

#endif
