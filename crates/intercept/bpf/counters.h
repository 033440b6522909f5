/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the programs count; src/counter.rs holds the same list, and a test compares the two. */
#ifndef LATCHKEY_COUNTERS_H
#define LATCHKEY_COUNTERS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum counter {
	COUNTER_REDIRECTED,
	COUNTER_OWN_TRAFFIC,
	COUNTER_AGENT_GONE_REFUSED,
	COUNTER_AGENT_GONE_PASSED,
	COUNTER_FOREIGN_NETNS_REFUSED,
	COUNTER_FOREIGN_NETNS_PASSED,
	COUNTER_OTHER_PROTOCOL_REFUSED,
	COUNTER_OTHER_PROTOCOL_PASSED,
	COUNTER_IPV6_UNSERVED_REFUSED,
	COUNTER_IPV6_UNSERVED_PASSED,
	COUNTER_IDENTITY_LOST_REFUSED,
	COUNTER_IDENTITY_LOST_PASSED,
	COUNTER_FLOW_PUBLISHED,
	COUNTER_FLOW_RETIRED,
	COUNTER_FLOW_TABLE_FULL,
	COUNTER_BIND_REFUSED,
	COUNTER_EGRESS_REFUSED,
	COUNTER_EGRESS_PASSED,
	COUNTER_FORWARDED_REFUSED,
	COUNTER_FORWARDED_PASSED,
	COUNTER_TOTAL,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTER_TOTAL);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline void count(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		*value += 1;
}

#endif
