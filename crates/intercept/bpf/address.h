/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses of both families as one form: sixteen bytes, IPv4 as ::ffff:a.b.c.d. */
#ifndef LATCHKEY_ADDRESS_H
#define LATCHKEY_ADDRESS_H

#include "kernel.h"
#include "layout.h"

static __always_inline struct address from_ipv4(__u32 network_order)
{
	struct address address = { { 0, 0, bpf_htonl(0xffff), network_order } };

	return address;
}

static __always_inline struct address from_ipv6(const struct bpf_sock_addr *ctx)
{
	struct address address = { { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
				     ctx->user_ip6[3] } };

	return address;
}

static __always_inline bool is_ipv4(const struct address *address)
{
	return !address->word[0] && !address->word[1] && address->word[2] == bpf_htonl(0xffff);
}

/* Whether a socket that is bound to the address hears what is sent to a loopback address. */
static __always_inline bool hears_loopback(const struct address *address)
{
	__u32 last = bpf_ntohl(address->word[3]);

	if (is_ipv4(address))
		return !last || last >> 24 == 127;
	return !address->word[0] && !address->word[1] && !address->word[2] && last <= 1;
}

#endif
