/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tells the agent what a thread is at this moment; it compares that with what connected. */
#ifndef LATCHKEY_TASK_H
#define LATCHKEY_TASK_H

#include "capture.h"
#include "executed.h"

SEC("iter/task")
int describe_thread(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct description description = {};
	struct executed *record;

	if (!task)
		return 0; /* the end of the list */
	/* The objective credentials: others may be in force for the length of one system call. */
	capture_thread(task, BPF_CORE_READ(task, real_cred), &description.thread);
	record = record_of(task);
	if (record)
		description.executed = *record;
	bpf_seq_write(ctx->meta->seq, &description, sizeof(description));
	return 0;
}

#endif
