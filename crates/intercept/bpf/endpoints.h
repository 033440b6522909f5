/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is protected, in the three forms in which it is asked for.
 *
 * User space keeps the two smaller maps at least as wide as `endpoints`: a port or address that is
 * in it is in them first, and leaves them last.
 */
#ifndef LATCHKEY_ENDPOINTS_H
#define LATCHKEY_ENDPOINTS_H

#include "kernel.h"
#include "layout.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_ENDPOINTS);
	__type(key, struct endpoint_key);
	__type(value, struct endpoint);
} endpoints SEC(".maps");

/* A bit for each port: most packets are told apart by it, without a hash. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PORT_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} guarded_ports SEC(".maps");

/*
 * The strictest mode of each address, for packets whose port cannot be read; under the unspecified
 * address that of all, for frames in which not even an address can be read.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_GUARDED_ADDRESSES);
	__type(key, struct address);
	__type(value, __u32);
} guarded_addresses SEC(".maps");

static __always_inline bool port_is_guarded(__u16 port)
{
	__u32 word = port / PORTS_PER_WORD;
	__u64 *ports = bpf_map_lookup_elem(&guarded_ports, &word);

	/* Without the map the hash decides. */
	return !ports || *ports & 1ULL << port % PORTS_PER_WORD;
}

#endif
