/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The identity that travels on a redirected socket, from connect() until it is closed. */
#ifndef LATCHKEY_CONNECTION_H
#define LATCHKEY_CONNECTION_H

#include "capture.h"
#include "kernel.h"
#include "layout.h"

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connection);
} connections SEC(".maps");

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
