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

/*
 * The well-known NAT64 prefix (RFC 6052): a translator turns such a packet into one for the IPv4
 * address. An IPv4-compatible ::a.b.c.d (RFC 4291, deprecated) leads to no IPv4 host.
 */
static __always_inline bool is_nat64(const struct address *address)
{
	return address->word[0] == bpf_htonl(0x0064ff9b) && !address->word[1] && !address->word[2];
}

/* The IPv4 address behind a NAT64 one; any other address as it is. */
static __always_inline struct address folded(struct address address)
{
	return is_nat64(&address) ? from_ipv4(address.word[3]) : address;
}

static __always_inline struct address to_nat64(struct address ipv4)
{
	struct address address = { { bpf_htonl(0x0064ff9b), 0, 0, ipv4.word[3] } };

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
