// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Redirects connections to the configured endpoints to the agent's listener, with the identity of
 * whoever asked for them.
 *
 * Only a configured (address, port) is ever touched: DNS, DHCP and NTP at the same address pass.
 * What cannot be redirected with an identity is refused in Enforce; in Audit it passes and is
 * counted. The programs run in the order connect4/6 (or sendmsg4/6), sockops, getpeername4/6.
 */
#include "kernel.h"

#include "address.h"
#include "agent.h"
#include "connection.h"
#include "counters.h"
#include "egress.h"
#include "endpoints.h"
#include "exec.h"
#include "executed.h"
#include "flow.h"
#include "layout.h"
#include "limit.h"
#include "task.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum verdict {
	REFUSE = 0,
	PASS = 1,
	REDIRECT = 2,    /* never leaves a program */
	LET_THROUGH = 3, /* nor does this: passes by mode, and is counted */
};

static __always_inline bool is_tcp(__u32 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP;
}

static __always_inline int refuse(__u32 counter)
{
	count(counter);
	bpf_set_retval(-ECONNREFUSED);
	return REFUSE;
}

/* Audit must not break a working application; everything else is refused. */
static __always_inline int by_mode(const struct endpoint *endpoint, __u32 refused, __u32 passed)
{
	if (endpoint->mode != MODE_AUDIT)
		return refuse(refused);
	count(passed);
	return LET_THROUGH;
}

/* The answer to a call that is not redirected; the packets of what is counted are not again. */
static __always_inline int answer(struct bpf_sock_addr *ctx, int verdict)
{
	if (verdict != LET_THROUGH)
		return verdict;
	mark(ctx, CONNECTION_PASSED);
	return PASS;
}

/* Decides about one connect() and, for REDIRECT, leaves the identity on the socket. */
static __always_inline int steer(struct bpf_sock_addr *ctx, const struct endpoint_key *asked,
				 __u16 family, struct claim *claim)
{
	struct endpoint *endpoint;
	struct connection *connection;
	struct limits allowed;
	__u64 netns_cookie, account;

	forget(ctx);
	endpoint = bpf_map_lookup_elem(&endpoints, asked);
	if (!endpoint)
		return PASS;
	read_claim(claim);
	if (is_agent(claim)) {
		mark(ctx, CONNECTION_OWN);
		count(COUNTER_OWN_TRAFFIC);
		return PASS;
	}
	if (!is_tcp(ctx->protocol))
		return by_mode(endpoint, COUNTER_OTHER_PROTOCOL_REFUSED, COUNTER_OTHER_PROTOCOL_PASSED);
	if (!agent_is_alive())
		return by_mode(endpoint, COUNTER_AGENT_GONE_REFUSED, COUNTER_AGENT_GONE_PASSED);
	netns_cookie = bpf_get_netns_cookie(ctx);
	if (netns_cookie != claim->netns_cookie)
		return by_mode(endpoint, COUNTER_FOREIGN_NETNS_REFUSED, COUNTER_FOREIGN_NETNS_PASSED);
	if (!is_ipv4(&asked->address) && !claim->listener6_port)
		return by_mode(endpoint, COUNTER_IPV6_UNSERVED_REFUSED, COUNTER_IPV6_UNSERVED_PASSED);
	read_limits(&allowed);
	account = current_account(&allowed);
	if (!take_token(&allowed, account))
		return by_mode(endpoint, COUNTER_RATE_LIMITED_REFUSED, COUNTER_RATE_LIMITED_PASSED);
	if (!has_share(&allowed, account))
		return by_mode(endpoint, COUNTER_SHARE_EXCEEDED_REFUSED, COUNTER_SHARE_EXCEEDED_PASSED);
	connection = remember(ctx);
	if (!connection)
		return by_mode(endpoint, COUNTER_IDENTITY_LOST_REFUSED, COUNTER_IDENTITY_LOST_PASSED);

	connection->identity.netns_cookie = netns_cookie;
	connection->identity.original_address = asked->address;
	connection->identity.original_port = asked->port;
	connection->identity.address_family = family;
	connection->identity.endpoint_index = endpoint->index;
	connection->account = account;
	connection->state = CONNECTION_ARMED;
	count(COUNTER_REDIRECTED);
	return REDIRECT;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	struct endpoint_key asked = { .address = from_ipv4(ctx->user_ip4),
				      .port = bpf_ntohs(ctx->user_port) };
	struct claim claim = {};
	int verdict = steer(ctx, &asked, AF_INET, &claim);

	if (verdict != REDIRECT)
		return answer(ctx, verdict);
	ctx->user_ip4 = claim.listener.word[3];
	ctx->user_port = bpf_htons(claim.listener_port);
	return PASS;
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	struct address written = from_ipv6(ctx);
	struct endpoint_key asked = { .address = folded(written),
				      .port = bpf_ntohs(ctx->user_port) };
	struct claim claim = {};
	int verdict = steer(ctx, &asked, AF_INET6, &claim);
	bool native = !is_ipv4(&asked.address);

	if (verdict != REDIRECT)
		return answer(ctx, verdict);
	if (is_nat64(&written))
		remember_nat64(ctx);
	/* A NAT64 address is served as the IPv4 one: by a mapped connection to the IPv4 listener. */
	ctx->user_ip6[0] = native ? claim.listener6.word[0] : claim.listener.word[0];
	ctx->user_ip6[1] = native ? claim.listener6.word[1] : claim.listener.word[1];
	ctx->user_ip6[2] = native ? claim.listener6.word[2] : claim.listener.word[2];
	ctx->user_ip6[3] = native ? claim.listener6.word[3] : claim.listener.word[3];
	ctx->user_port = bpf_htons(native ? claim.listener6_port : claim.listener_port);
	return PASS;
}

/* Datagrams without connect(): an endpoint speaks TCP only, so they could only be a way round. */
static __always_inline int guard_datagram(const struct endpoint_key *asked)
{
	struct endpoint *endpoint = bpf_map_lookup_elem(&endpoints, asked);

	if (!endpoint)
		return PASS;
	return by_mode(endpoint, COUNTER_OTHER_PROTOCOL_REFUSED, COUNTER_OTHER_PROTOCOL_PASSED);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	struct endpoint_key asked = { .address = from_ipv4(ctx->user_ip4),
				      .port = bpf_ntohs(ctx->user_port) };

	return answer(ctx, guard_datagram(&asked));
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	struct endpoint_key asked = { .address = folded(from_ipv6(ctx)),
				      .port = bpf_ntohs(ctx->user_port) };

	return answer(ctx, guard_datagram(&asked));
}

/* The caller sees the peer that it asked for. */
static __always_inline struct connection *redirected(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct connection *connection;

	if (!sk)
		return NULL;
	connection = bpf_sk_storage_get(&connections, sk, NULL, 0);
	if (!connection || connection->state < CONNECTION_ARMED ||
	    connection->state > CONNECTION_OVER)
		return NULL; /* not redirected */
	return connection;
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx)
{
	struct connection *connection = redirected(ctx);

	if (connection) {
		ctx->user_ip4 = connection->identity.original_address.word[3];
		ctx->user_port = bpf_htons(connection->identity.original_port);
	}
	return PASS;
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *ctx)
{
	struct connection *connection = redirected(ctx);
	struct address asked;

	if (!connection)
		return PASS;
	asked = connection->identity.original_address;
	if (connection->asked_by_nat64)
		asked = to_nat64(asked);
	ctx->user_ip6[0] = asked.word[0];
	ctx->user_ip6[1] = asked.word[1];
	ctx->user_ip6[2] = asked.word[2];
	ctx->user_ip6[3] = asked.word[3];
	ctx->user_port = bpf_htons(connection->identity.original_port);
	return PASS;
}

/*
 * Only the initial user namespace's root may take the listener's port: a squatter would be handed
 * the metadata requests of everyone else while the agent is away.
 */
static __always_inline int guard_listener(struct bpf_sock_addr *ctx, struct address address)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	__u16 port = bpf_ntohs(ctx->user_port);
	struct claim claim = {};

	if (!port || !is_tcp(ctx->protocol) || !hears_loopback(&address))
		return PASS;
	read_claim(&claim);
	if (port != claim.listener_port && port != claim.listener6_port)
		return PASS;
	if (bpf_get_netns_cookie(ctx) != claim.netns_cookie)
		return PASS;
	if (!BPF_CORE_READ(task, cred, euid.val) && !BPF_CORE_READ(task, cred, user_ns, level))
		return PASS;
	count(COUNTER_BIND_REFUSED);
	return REFUSE; /* the kernel answers EPERM */
}

SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr *ctx)
{
	return guard_listener(ctx, from_ipv4(ctx->user_ip4));
}

SEC("cgroup/bind6")
int bind6(struct bpf_sock_addr *ctx)
{
	return guard_listener(ctx, from_ipv6(ctx));
}

SEC("sockops")
int sock_ops(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_TCP_CONNECT_CB)
		publish(ctx);
	else if (ctx->op == BPF_SOCK_OPS_STATE_CB && ctx->args[1] == BPF_TCP_CLOSE)
		retire(ctx);
	return 1;
}

/* What no socket call shows: raw sockets, and connections from before the endpoint was in Enforce. */
SEC("cgroup_skb/egress")
int egress(struct __sk_buff *skb)
{
	struct packet packet = {};
	enum reading reading = skb->protocol == bpf_htons(ETH_P_IP) ?
				       read_ipv4(skb, 0, &packet) :
				       read_ipv6(skb, 0, &packet);

	return guard_socket(skb, reading, &packet);
}

/* What has no socket of a cgroup: packet sockets and forwarded packets, on links with frames. */
SEC("classifier")
int link_frames(struct __sk_buff *skb)
{
	struct packet packet = {};

	return guard_link(skb, read_frame(skb, &packet), &packet);
}

/* The same on links that carry IP without frames, such as tunnels. */
SEC("classifier")
int link_packets(struct __sk_buff *skb)
{
	struct packet packet = {};

	return guard_link(skb, read_ip(skb, 0, &packet), &packet);
}
