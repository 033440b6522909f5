/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who a thread is, read from its task and credentials, never from /proc: what the caller does after
 * connect() (exec, setuid, exit) cannot change what was read within it.
 */
#ifndef LATCHKEY_CAPTURE_H
#define LATCHKEY_CAPTURE_H

#include "kernel.h"
#include "layout.h"

static __always_inline void capture_groups(const struct cred *cred, struct thread *thread)
{
	struct group_info *info = BPF_CORE_READ(cred, group_info);
	__u32 count = BPF_CORE_READ(info, ngroups);

	thread->group_count = count;
	if (count > MAX_GROUPS)
		count = MAX_GROUPS;
	/* What could not be read is zeroes, and those name root's group. */
	if (bpf_probe_read_kernel(thread->groups, count * sizeof(thread->groups[0]),
				  __builtin_preserve_access_index(&info->gid)))
		thread->group_count = MAX_GROUPS + 1;
}

static __always_inline void capture_credentials(const struct cred *cred, struct thread *thread)
{
	thread->uid = BPF_CORE_READ(cred, uid.val);
	thread->gid = BPF_CORE_READ(cred, gid.val);
	thread->euid = BPF_CORE_READ(cred, euid.val);
	thread->egid = BPF_CORE_READ(cred, egid.val);
	thread->user_namespace_level = BPF_CORE_READ(cred, user_ns, level);
	thread->user_namespace = BPF_CORE_READ(cred, user_ns, ns.inum);
	capture_groups(cred, thread);
}

static __always_inline void capture_thread(struct task_struct *task, const struct cred *cred,
					   struct thread *thread)
{
	thread->start_boottime_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	thread->exec_id = BPF_CORE_READ(task, self_exec_id);
	thread->tgid = BPF_CORE_READ(task, tgid);
	thread->tid = BPF_CORE_READ(task, pid);
	thread->process_has_ended = !BPF_CORE_READ(task, signal, live.counter);
	capture_credentials(cred, thread);
}

static __always_inline bool capture_executable(struct task_struct *task, struct identity *identity)
{
	struct inode *inode = BPF_CORE_READ(task, mm, exe_file, f_inode);

	if (!inode)
		return false; /* a kernel thread */
	identity->executable_inode = BPF_CORE_READ(inode, i_ino);
	identity->executable_device = BPF_CORE_READ(inode, i_sb, s_dev);
	identity->executable_generation = BPF_CORE_READ(inode, i_generation);
	return true;
}

/* Returns whether every part of the identity is known. */
static __always_inline bool capture(struct identity *identity)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();

	/*
	 * SECURITY: what a task may do is told by its subjective credentials. They differ from the
	 * objective ones, which /proc shows, while io_uring works for a registered personality.
	 */
	capture_thread(task, BPF_CORE_READ(task, cred), &identity->thread);
	identity->cgroup_id = bpf_get_current_cgroup_id();
	identity->mount_namespace = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	identity->network_namespace = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
	bpf_get_current_comm(identity->comm, sizeof(identity->comm));
	return capture_executable(task, identity);
}

#endif
