// Builds and reads IPv4 packets with a TCP segment or a datagram in them, checksums included.
#define _GNU_SOURCE
#include "caller.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

static unsigned add(unsigned sum, const void *bytes, size_t length)
{
	const unsigned char *at = bytes;

	for (; length > 1; length -= 2, at += 2)
		sum += at[0] << 8 | at[1];
	return length ? sum + (at[0] << 8) : sum;
}

static unsigned short fold(unsigned sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static unsigned short checksum(const struct segment *segment, int protocol, const void *bytes,
			       size_t length)
{
	unsigned sum = add(0, &segment->source, 4);

	sum = add(sum, &segment->destination, 4);
	return fold(add(sum + protocol + length, bytes, length));
}

// Writes the checksum of an IP header whose other fields are there.
void seal_ip(unsigned char *packet)
{
	struct iphdr *ip = (void *)packet;

	ip->check = 0;
	ip->check = fold(add(0, ip, ip->ihl * 4));
}

static size_t head_ip(const struct segment *segment, int options, int protocol, size_t length,
		      unsigned char *packet)
{
	struct iphdr *ip = (void *)packet;
	size_t head = sizeof(*ip) + options;

	memset(packet, IPOPT_NOP, head);
	*ip = (struct iphdr){ .version = 4, .ihl = head / 4, .ttl = 64, .protocol = protocol,
			      .tot_len = htons(head + length), .id = htons(0x4c4b) };
	ip->saddr = segment->source.s_addr;
	ip->daddr = segment->destination.s_addr;
	seal_ip(packet);
	return head;
}

// Returns the length of the packet; `options` bytes of its IP header are options without meaning.
size_t build_ip(const struct segment *segment, int options, unsigned char *packet)
{
	size_t payload = segment->payload ? strlen(segment->payload) : 0;
	size_t length = sizeof(struct tcphdr) + payload;
	size_t head = head_ip(segment, options, IPPROTO_TCP, length, packet);
	struct tcphdr *tcp = (void *)(packet + head);

	memset(tcp, 0, sizeof(*tcp));
	tcp->source = htons(segment->source_port);
	tcp->dest = htons(segment->destination_port);
	tcp->seq = htonl(segment->sequence);
	tcp->ack_seq = htonl(segment->acknowledged);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->th_flags = segment->flags;
	tcp->window = htons(0xffff);
	if (payload)
		memcpy(tcp + 1, segment->payload, payload);
	tcp->check = checksum(segment, IPPROTO_TCP, tcp, length);
	return head + length;
}

size_t build_udp(const struct segment *segment, unsigned char *packet)
{
	size_t length = sizeof(struct udphdr) + strlen(segment->payload) + 1;
	size_t head = head_ip(segment, 0, IPPROTO_UDP, length, packet);
	struct udphdr *udp = (void *)(packet + head);

	*udp = (struct udphdr){ .source = htons(segment->source_port),
				.dest = htons(segment->destination_port), .len = htons(length) };
	strcpy((char *)(udp + 1), segment->payload);
	udp->check = checksum(segment, IPPROTO_UDP, udp, length);
	return head + length;
}

// Reads the other side's segment or datagram; returns 0 if the packet is none of this exchange.
int read_segment(const unsigned char *packet, size_t length, struct segment *segment,
		 const unsigned char **payload, size_t *payload_length)
{
	const struct iphdr *ip = (void *)packet;
	const struct tcphdr *tcp = (void *)(packet + ip->ihl * 4);
	size_t head = ip->ihl * 4, whole = ntohs(ip->tot_len);

	if (length < head + sizeof(struct udphdr) || whole > length)
		return 0;
	if (ip->saddr != segment->destination.s_addr || ip->daddr != segment->source.s_addr ||
	    tcp->source != htons(segment->destination_port) ||
	    tcp->dest != htons(segment->source_port))
		return 0;
	head += ip->protocol == IPPROTO_TCP ? tcp->doff * 4 : (int)sizeof(struct udphdr);
	segment->flags = ip->protocol == IPPROTO_TCP ? tcp->th_flags : 0;
	segment->sequence = ntohl(tcp->seq);
	*payload = packet + head;
	*payload_length = whole - head;
	return 1;
}
