/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The identity that travels on a redirected socket, from connect() until it is closed.
 *
 * Everything here is read in the caller's own context, from its task and credentials, never from
 * /proc: what the caller does later (exec, setuid, exit) cannot change it.
 */
#ifndef LATCHKEY_CONNECTION_H
#define LATCHKEY_CONNECTION_H

#include "kernel.h"
#include "layout.h"

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connection);
} connections SEC(".maps");

static __always_inline bool capture_executable(struct task_struct *task, struct identity *identity)
{
	struct inode *inode = BPF_CORE_READ(task, mm, exe_file, f_inode);

	if (!inode)
		return false; /* a kernel thread */
	identity->executable_inode = BPF_CORE_READ(inode, i_ino);
	identity->executable_device = BPF_CORE_READ(inode, i_sb, s_dev);
	return true;
}

static __always_inline void capture_credentials(struct task_struct *task, struct identity *identity)
{
	/* The real ids: the user in the low half, the group in the high half. */
	__u64 real = bpf_get_current_uid_gid();
	const struct cred *cred = BPF_CORE_READ(task, cred);

	identity->uid = (__u32)real;
	identity->gid = real >> 32;
	identity->euid = BPF_CORE_READ(cred, euid.val);
	identity->egid = BPF_CORE_READ(cred, egid.val);
	identity->user_namespace_level = BPF_CORE_READ(cred, user_ns, level);
	identity->user_namespace = BPF_CORE_READ(cred, user_ns, ns.inum);
}

/* Returns whether every part of the identity is known. */
static __always_inline bool capture(struct identity *identity)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();

	identity->tgid = bpf_get_current_pid_tgid() >> 32;
	identity->start_boottime_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	identity->cgroup_id = bpf_get_current_cgroup_id();
	identity->mount_namespace = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	capture_credentials(task, identity);
	bpf_get_current_comm(identity->comm, sizeof(identity->comm));
	return capture_executable(task, identity);
}

/*
 * SECURITY: an identity is good for the one connection it was captured for. Without this, root could
 * leave an identity on a socket, and another process could connect it to the listener by itself.
 */
static __always_inline void forget(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	if (sk)
		bpf_sk_storage_delete(&connections, sk);
}

/* Marks a socket that is not redirected; without room for the mark it is anybody's socket. */
static __always_inline void mark(struct bpf_sock_addr *ctx, __u32 state)
{
	struct bpf_sock *sk = ctx->sk;
	struct connection *connection;

	if (!sk)
		return;
	connection = bpf_sk_storage_get(&connections, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (connection)
		connection->state = state;
}

/* Puts a fresh connection with the caller's identity on the socket, or returns NULL. */
static __always_inline struct connection *remember(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct connection *connection;

	if (!sk)
		return NULL;
	connection = bpf_sk_storage_get(&connections, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!connection)
		return NULL;
	if (!capture(&connection->identity)) {
		bpf_sk_storage_delete(&connections, sk);
		return NULL;
	}
	return connection;
}

/* getpeername() shows what was asked for. */
static __always_inline void remember_nat64(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct connection *connection;

	if (!sk)
		return;
	connection = bpf_sk_storage_get(&connections, sk, NULL, 0);
	if (connection)
		connection->asked_by_nat64 = 1;
}

#endif
