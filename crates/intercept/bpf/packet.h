/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads where a packet goes, as its receiver will read it: from its headers, not from what the
 * sender told the kernel about them.
 *
 * Only the first fragment is judged: nothing can be put together without it. What stops the reading
 * of a packet is told together with its address, so that only protected addresses are the stricter.
 */
#ifndef LATCHKEY_PACKET_H
#define LATCHKEY_PACKET_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "address.h"
#include "endpoints.h"

#define IPPROTO_UDP 17
#define IPPROTO_DCCP 33
#define IPPROTO_SCTP 132
#define IPPROTO_UDPLITE 136

#define NEXTHDR_HOP_BY_HOP 0
#define NEXTHDR_ROUTING 43
#define NEXTHDR_FRAGMENT 44
#define NEXTHDR_AUTHENTICATION 51
#define NEXTHDR_DESTINATION 60
#define NEXTHDR_MOBILITY 135
#define NEXTHDR_HIP 139
#define NEXTHDR_SHIM6 140

#define PORTS_BYTES 4
#define MAX_EXTENSION_HEADERS 8
#define MAX_VLAN_TAGS 4
#define MAX_DIRECT_OFFSET 256 /* where direct access is tried; keeps the verifier's bounds small */

#define IPV4_OFFSET_MASK 0x1fff
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV6_OFFSET_MASK 0xfff8
#define TCP_SYN 0x02
#define MAX_LLC_LENGTH 1500
#define SNAP_START 0xaaaa0300 /* two service points, one control byte, no organisation */

enum reading {
	NOT_OURS,   /* another protocol or port, or it can neither open a connection nor ask */
	ASKS,       /* for the address and port */
	UNREADABLE, /* the address is known, or unspecified when not even that can be read */
};

struct packet {
	struct address destination;
	__u16 port;
};

struct fragment_header {
	__u8 next;
	__u8 reserved;
	__be16 offset;
	__be32 identification;
};

/* Copies what is seldom read from wherever it lies; false only when the packet ends before it. */
static __always_inline bool read_rare(struct __sk_buff *skb, __u32 offset, void *to, __u32 bytes)
{
	return !bpf_skb_load_bytes(skb, offset, to, bytes);
}

/*
 * The same for what is read of every packet: directly where that is possible, which costs no call.
 * Each use doubles the ways that the verifier walks, so it is not for what is read in a loop.
 */
static __always_inline bool read_bytes(struct __sk_buff *skb, __u32 offset, void *to, __u32 bytes)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;

	if (offset <= MAX_DIRECT_OFFSET && data + offset + bytes <= end) {
		__builtin_memcpy(to, data + offset, bytes);
		return true;
	}
	return !bpf_skb_load_bytes(skb, offset, to, bytes);
}

static __always_inline bool has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE ||
	       protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP;
}

/*
 * A segment with neither SYN nor payload opens nothing and asks for nothing. The kernel sends such
 * ones for connections that have no socket any more: the last acknowledgement, a reset.
 */
static __always_inline bool is_silent(struct __sk_buff *skb, __u32 offset, __u32 end)
{
	struct {
		__u8 header_words;
		__u8 flags;
	} tcp;

	/*
	 * SECURITY: a packet socket may leave the cutting to the kernel (PACKET_VNET_HDR), which then
	 * writes the lengths anew; whatever is to be cut has a payload.
	 */
	if (skb->gso_size || !read_rare(skb, offset + 12, &tcp, sizeof(tcp)))
		return false;
	return !(tcp.flags & TCP_SYN) && offset + (tcp.header_words >> 4) * 4 == end;
}

/* `end` is where the packet ends, or 0 for a fragment, whose payload may come later. */
static __always_inline enum reading read_ports(struct __sk_buff *skb, __u8 protocol, __u32 offset,
					       __u32 end, struct packet *packet)
{
	struct {
		__be16 source;
		__be16 destination;
	} ports;

	if (!has_ports(protocol))
		return NOT_OURS;
	if (!read_bytes(skb, offset, &ports, sizeof(ports)))
		return UNREADABLE;
	packet->port = bpf_ntohs(ports.destination);
	if (!port_is_guarded(packet->port))
		return NOT_OURS;
	if (end && protocol == IPPROTO_TCP && is_silent(skb, offset, end))
		return NOT_OURS;
	return ASKS;
}

static __always_inline enum reading read_ipv4(struct __sk_buff *skb, __u32 offset,
					      struct packet *packet)
{
	struct iphdr ip;
	__u32 length;
	__u16 fragment;

	if (!read_bytes(skb, offset, &ip, sizeof(ip)))
		return UNREADABLE;
	packet->destination = from_ipv4(ip.daddr);
	fragment = bpf_ntohs(ip.frag_off);
	/*
	 * SECURITY: a later fragment may overlap the flags of the first one (RFC 3128), but never its
	 * ports, which lie in the first eight bytes; so a first fragment is never taken for silent.
	 */
	if (fragment & IPV4_OFFSET_MASK)
		return NOT_OURS;
	if (ip.ihl < 5)
		return UNREADABLE;
	length = bpf_ntohs(ip.tot_len);
	if (!length) /* more than fits the field, before segmentation */
		length = skb->len - offset;
	return read_ports(skb, ip.protocol, offset + ip.ihl * 4,
			  fragment & IPV4_MORE_FRAGMENTS ? 0 : offset + length, packet);
}

static __always_inline bool is_extension(__u8 header)
{
	return header == NEXTHDR_HOP_BY_HOP || header == NEXTHDR_ROUTING ||
	       header == NEXTHDR_FRAGMENT || header == NEXTHDR_AUTHENTICATION ||
	       header == NEXTHDR_DESTINATION || header == NEXTHDR_MOBILITY ||
	       header == NEXTHDR_HIP || header == NEXTHDR_SHIM6;
}

/*
 * SECURITY: a first fragment that ends within the extension headers hides its ports in the next
 * one; it is unreadable (RFC 8200 forbids it), and the next one alone is nothing. What a frame has
 * behind the packet's own end is cut off by its receiver, and must not be read in its place.
 */
static __always_inline enum reading read_ipv6(struct __sk_buff *skb, __u32 offset,
					      struct packet *packet)
{
	struct fragment_header extension;
	struct ipv6hdr ip;
	__u32 end, limit;
	__u8 header;

	if (!read_bytes(skb, offset, &ip, sizeof(ip)))
		return UNREADABLE;
	__builtin_memcpy(&packet->destination, &ip.daddr, sizeof(packet->destination));
	packet->destination = folded(packet->destination);
	header = ip.nexthdr;
	end = ip.payload_len ? offset + sizeof(ip) + bpf_ntohs(ip.payload_len) : skb->len;
	limit = end;
	offset += sizeof(ip);
	for (int i = 0; i < MAX_EXTENSION_HEADERS && is_extension(header); i++) {
		if (offset + sizeof(extension) > limit ||
		    !read_rare(skb, offset, &extension, sizeof(extension)))
			return UNREADABLE;
		if (header == NEXTHDR_FRAGMENT) {
			if (extension.offset & bpf_htons(IPV6_OFFSET_MASK))
				return NOT_OURS;
			end = 0;
			offset += sizeof(extension);
		} else if (header == NEXTHDR_AUTHENTICATION) {
			offset += (extension.reserved + 2) * 4;
		} else {
			offset += (extension.reserved + 1) * 8;
		}
		header = extension.next;
	}
	if (is_extension(header) || (has_ports(header) && offset + PORTS_BYTES > limit))
		return UNREADABLE;
	return read_ports(skb, header, offset, end, packet);
}

/* A link without frames tells the version by the packet's first bits. */
static __always_inline enum reading read_ip(struct __sk_buff *skb, __u32 offset,
					    struct packet *packet)
{
	__u8 version;

	if (!read_rare(skb, offset, &version, sizeof(version)))
		return NOT_OURS; /* an empty packet */
	if (version >> 4 == 4)
		return read_ipv4(skb, offset, packet);
	if (version >> 4 == 6)
		return read_ipv6(skb, offset, packet);
	return NOT_OURS;
}

static __always_inline bool is_vlan_tag(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD) ||
	       type == bpf_htons(ETH_P_QINQ1);
}

/*
 * SECURITY: the frame's own type counts, not the protocol that a packet socket claims; tags, also
 * empty ones, and the older LLC and SNAP headers are stripped by receivers and so must not hide it
 * (CVE-2021-27853, CVE-2021-27854). A tag that the device will add lies outside of the frame.
 */
static __always_inline enum reading read_frame(struct __sk_buff *skb, struct packet *packet)
{
	struct {
		__be32 start;
		__be16 organisation;
		__be16 type;
	} llc;
	__u32 offset = ETH_HLEN;
	__be16 type;

	if (!read_bytes(skb, offset - sizeof(type), &type, sizeof(type)))
		return NOT_OURS;
	for (int i = 0; i < MAX_VLAN_TAGS && is_vlan_tag(type); i++) {
		offset += 4;
		if (!read_rare(skb, offset - sizeof(type), &type, sizeof(type)))
			return NOT_OURS;
	}
	if (is_vlan_tag(type))
		return UNREADABLE;
	if (bpf_ntohs(type) <= MAX_LLC_LENGTH) {
		if (!read_rare(skb, offset, &llc, sizeof(llc)) ||
		    llc.start != bpf_htonl(SNAP_START) || llc.organisation)
			return NOT_OURS;
		offset += sizeof(llc);
		type = llc.type;
	}
	if (type == bpf_htons(ETH_P_IP))
		return read_ipv4(skb, offset, packet);
	if (type == bpf_htons(ETH_P_IPV6))
		return read_ipv6(skb, offset, packet);
	return NOT_OURS;
}

#endif
