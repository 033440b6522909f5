/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How much one cgroup may ask for: connects in a time, and redirected connections that are open.
 *
 * The account is the caller's ancestor a fixed number of levels below the attached cgroup, or its
 * own cgroup where that lies less deep. SECURITY: whoever is given a cgroup may make others below
 * it without limit, and they must not bring an account each. A service, a user's own manager and a
 * pod lie on that level or above it, where only root makes cgroups. Whoever is given a cgroup above
 * it, as a container that runs its own service manager is, has an account for each that it makes
 * on that level.
 *
 * There is no account of a user: pods of strangers run as the same user, and a user with
 * subordinate ids is many. The agent bounds each user's open connections.
 */
#ifndef LATCHKEY_LIMIT_H
#define LATCHKEY_LIMIT_H

#include "kernel.h"
#include "layout.h"

/* Each failed attempt is one of the same account that went through on another CPU. */
#define ACCOUNT_ATTEMPTS 16

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct limit_settings);
} limits SEC(".maps");

/*
 * When each account's bucket will be full again (the generic cell rate algorithm: a token is a piece
 * of time, so a bucket is one number and needs no lock). A bucket that is not there is full.
 *
 * SECURITY: an LRU, because what it forgets harms nobody: an evicted account gets a full bucket, so
 * a flood of accounts cannot starve another one. To gain by it, somebody would have to own more
 * accounts than fit here, each of which has a bucket of its own anyway.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_BUCKETS);
	__type(key, __u64);
	__type(value, __u64);
} buckets SEC(".maps");

/*
 * How many published connections of each account are open; never 0 but for the moment in which the
 * entry goes away. There are at most as many accounts as connections.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_FLOWS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u64);
} shares SEC(".maps");

static __always_inline void read_limits(struct limits *copy)
{
	__u32 zero = 0;
	struct limit_settings *current = bpf_map_lookup_elem(&limits, &zero);

	if (!current) {
		__builtin_memset(copy, 0, sizeof(*copy));
		return;
	}
	bpf_spin_lock(&current->lock);
	__builtin_memcpy(copy, &current->limits, sizeof(*copy));
	bpf_spin_unlock(&current->lock);
}

static __always_inline __u64 current_account(const struct limits *allowed)
{
	__u64 ancestor = bpf_get_current_ancestor_cgroup_id(allowed->account_level);

	return ancestor ? ancestor : bpf_get_current_cgroup_id();
}

/* Reads a number that other CPUs change; the compiler must not read it twice. */
static __always_inline __u64 read_once(const __u64 *number)
{
	return *(const volatile __u64 *)number;
}

/* Returns whether the account may connect now, and then lets it pay for that. */
static __always_inline bool take_token(const struct limits *allowed, __u64 account)
{
	__u64 now = bpf_ktime_get_boot_ns();
	__u64 paid = now + allowed->connect_interval_ns;
	__u64 full_at, *bucket = bpf_map_lookup_elem(&buckets, &account);

	if (!bucket) {
		if (!bpf_map_update_elem(&buckets, &account, &paid, BPF_NOEXIST))
			return true; /* the first token of a full bucket */
		bucket = bpf_map_lookup_elem(&buckets, &account);
	}
	if (!bucket)
		return true; /* evicted meanwhile, so it was full */
	for (int attempt = 0; attempt < ACCOUNT_ATTEMPTS; attempt++) {
		full_at = read_once(bucket);
		paid = (full_at > now ? full_at : now) + allowed->connect_interval_ns;
		if (paid - now > allowed->burst_ns)
			return false;
		if (__sync_val_compare_and_swap(bucket, full_at, paid) == full_at)
			return true;
	}
	return false;
}

/* Whether the account may open another connection; take_share() decides. */
static __always_inline bool has_share(const struct limits *allowed, __u64 account)
{
	__u64 *open = bpf_map_lookup_elem(&shares, &account);

	return !open || read_once(open) < allowed->open_connections;
}

/* Counts one more open connection of the account, unless it has all that it may have. */
static __always_inline bool take_share(__u64 account)
{
	struct limits allowed;
	__u64 first = 1, count, *open;

	read_limits(&allowed);
	for (int attempt = 0; attempt < ACCOUNT_ATTEMPTS; attempt++) {
		open = bpf_map_lookup_elem(&shares, &account);
		if (!open) {
			if (!bpf_map_update_elem(&shares, &account, &first, BPF_NOEXIST))
				return true;
			continue;
		}
		count = read_once(open);
		if (count >= allowed.open_connections)
			return false;
		/* INVARIANT: an entry at 0 is about to be removed and never counts again. */
		if (count && __sync_val_compare_and_swap(open, count, count + 1) == count)
			return true;
	}
	return false;
}

/* Counts one open connection less, for each take_share() that succeeded once. */
static __always_inline void return_share(__u64 account)
{
	__u64 *open = bpf_map_lookup_elem(&shares, &account);

	if (open && __sync_fetch_and_sub(open, 1) == 1)
		bpf_map_delete_elem(&shares, &account);
}

#endif
