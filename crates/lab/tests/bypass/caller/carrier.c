// Sends packets that no stream or datagram socket has made: by raw and by packet sockets.
#define _GNU_SOURCE
#include "caller.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#ifndef PACKET_QDISC_BYPASS
#define PACKET_QDISC_BYPASS 20
#endif

typedef int send_packet(struct carrier *carrier, const unsigned char *packet, size_t length);

struct carrier {
	int fd;
	struct sockaddr_in to;
	struct sockaddr_ll link;
	unsigned char own[ETH_ALEN];
	int tags; // of 802.1Q, each with the identifier 0
	send_packet *send;
};

static int send_to_address(struct carrier *carrier, const unsigned char *packet, size_t length)
{
	return sendto(carrier->fd, packet, length, 0, (void *)&carrier->to, sizeof(carrier->to));
}

// The kernel makes the IP header itself.
static int send_segment(struct carrier *carrier, const unsigned char *packet, size_t length)
{
	const struct iphdr *ip = (void *)packet;

	return send_to_address(carrier, packet + ip->ihl * 4, length - ip->ihl * 4);
}

static int send_connected(struct carrier *carrier, const unsigned char *packet, size_t length)
{
	const struct iphdr *ip = (void *)packet;

	if (connect(carrier->fd, (void *)&carrier->to, sizeof(carrier->to)))
		return -1;
	return send(carrier->fd, packet + ip->ihl * 4, length - ip->ihl * 4, 0);
}

// The first fragment ends within the TCP header, behind the ports.
static int send_fragments(struct carrier *carrier, const unsigned char *packet, size_t length)
{
	unsigned char piece[2048];
	struct iphdr *ip = (void *)piece;
	size_t head = ((const struct iphdr *)packet)->ihl * 4;

	memcpy(piece, packet, head + 8);
	ip->tot_len = htons(head + 8);
	ip->frag_off = htons(IP_MF);
	seal_ip(piece);
	if (send_to_address(carrier, piece, head + 8) < 0)
		return -1;
	memcpy(piece + head, packet + head + 8, length - head - 8);
	ip->tot_len = htons(length - 8);
	ip->frag_off = htons(1);
	seal_ip(piece);
	return send_to_address(carrier, piece, length - 8);
}

static int send_frame(struct carrier *carrier, const unsigned char *packet, size_t length)
{
	static const unsigned char tag[4] = { 0x81, 0x00, 0, 0 };
	unsigned char frame[2048], *at = frame + 2 * ETH_ALEN;

	memcpy(frame, carrier->link.sll_addr, ETH_ALEN);
	memcpy(frame + ETH_ALEN, carrier->own, ETH_ALEN);
	for (int tags = carrier->tags; tags; tags--, at += sizeof(tag))
		memcpy(at, tag, sizeof(tag));
	memcpy(at, (unsigned char[]){ ETHERTYPE_IP >> 8, ETHERTYPE_IP & 0xff }, 2);
	memcpy(at + 2, packet, length);
	return sendto(carrier->fd, frame, at + 2 + length - frame, 0, (void *)&carrier->link,
		      sizeof(carrier->link));
}

static int send_by_link(struct carrier *carrier, const unsigned char *packet, size_t length)
{
	return sendto(carrier->fd, packet, length, 0, (void *)&carrier->link, sizeof(carrier->link));
}

static const struct {
	const char *name;
	int family, type, protocol;
	send_packet *send;
	int link_protocol, tags;
} KINDS[] = {
	{ "raw-tcp", AF_INET, SOCK_RAW, IPPROTO_TCP, send_segment, 0, 0 },
	{ "raw-connected", AF_INET, SOCK_RAW, IPPROTO_TCP, send_connected, 0, 0 },
	{ "raw-header", AF_INET, SOCK_RAW, IPPROTO_RAW, send_to_address, 0, 0 },
	{ "raw-fragments", AF_INET, SOCK_RAW, IPPROTO_RAW, send_fragments, 0, 0 },
	{ "packet", AF_PACKET, SOCK_RAW, 0, send_frame, ETHERTYPE_IP, 0 },
	{ "packet-tagged", AF_PACKET, SOCK_RAW, 0, send_frame, ETHERTYPE_VLAN, 1 },
	{ "packet-tagged-twice", AF_PACKET, SOCK_RAW, 0, send_frame, ETHERTYPE_VLAN, 2 },
	{ "packet-lying", AF_PACKET, SOCK_RAW, 0, send_frame, ETHERTYPE_ARP, 0 },
	{ "packet-datagram", AF_PACKET, SOCK_DGRAM, 0, send_by_link, ETHERTYPE_IP, 0 },
	{ "packet-bypass", AF_PACKET, SOCK_RAW, 0, send_frame, ETHERTYPE_IP, 0 },
};

static const char *uplink(void)
{
	return getenv("UPLINK") ?: "eth0";
}

static struct ifreq about_uplink(unsigned long question)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	strncpy(request.ifr_name, uplink(), sizeof(request.ifr_name) - 1);
	if (ioctl(fd, question, &request))
		broken(uplink());
	return request;
}

struct in_addr address_of_uplink(void)
{
	struct ifreq answer = about_uplink(SIOCGIFADDR);

	return ((struct sockaddr_in *)&answer.ifr_addr)->sin_addr;
}

// Returns whether the kernel knows a neighbour on the uplink; all addresses there are one machine's.
static int find_neighbour(unsigned char address[ETH_ALEN])
{
	char line[256], device[32], text[32];
	FILE *table = fopen("/proc/self/net/arp", "r");
	unsigned flags, byte[ETH_ALEN];
	int found = 0;

	while (table && !found && fgets(line, sizeof(line), table)) {
		if (sscanf(line, "%*s %*s 0x%x %31s %*s %31s", &flags, text, device) != 3)
			continue;
		found = flags & 2 && !strcmp(device, uplink()) &&
			sscanf(text, "%x:%x:%x:%x:%x:%x", byte, byte + 1, byte + 2, byte + 3,
			       byte + 4, byte + 5) == 6;
	}
	for (int at = 0; found && at < ETH_ALEN; at++)
		address[at] = byte[at];
	if (table)
		fclose(table);
	return found;
}

static void learn_neighbour(unsigned char address[ETH_ALEN])
{
	struct sockaddr_in anybody = ipv4("168.63.129.16", 9);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	sendto(fd, "", 1, 0, (void *)&anybody, sizeof(anybody));
	for (int turn = 0; turn < 200; turn++) {
		if (find_neighbour(address))
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	errno = ETIMEDOUT;
	broken("learn the neighbour");
}

static void use_link(struct carrier *carrier, int protocol)
{
	struct ifreq hardware = about_uplink(SIOCGIFHWADDR);

	memcpy(carrier->own, hardware.ifr_hwaddr.sa_data, ETH_ALEN);
	carrier->link = (struct sockaddr_ll){ .sll_family = AF_PACKET,
					      .sll_protocol = htons(protocol),
					      .sll_ifindex = about_uplink(SIOCGIFINDEX).ifr_ifindex,
					      .sll_halen = ETH_ALEN };
	learn_neighbour(carrier->link.sll_addr);
}

// Returns NULL with errno set where the caller may not have such a socket.
struct carrier *open_carrier(const char *name, struct in_addr destination)
{
	static struct carrier carrier;

	for (size_t at = 0; at < sizeof(KINDS) / sizeof(*KINDS); at++) {
		if (strcmp(KINDS[at].name, name))
			continue;
		carrier.fd = socket(KINDS[at].family, KINDS[at].type, KINDS[at].protocol);
		if (carrier.fd < 0)
			return NULL;
		carrier.to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = destination };
		carrier.tags = KINDS[at].tags;
		carrier.send = KINDS[at].send;
		if (KINDS[at].family == AF_PACKET)
			use_link(&carrier, KINDS[at].link_protocol);
		if (!strcmp(name, "packet-bypass") &&
		    setsockopt(carrier.fd, SOL_PACKET, PACKET_QDISC_BYPASS, &(int){ 1 }, sizeof(int)))
			broken("qdisc bypass");
		return &carrier;
	}
	errno = EINVAL;
	broken(name);
}

int carry(struct carrier *carrier, const unsigned char *packet, size_t length)
{
	return carrier->send(carrier, packet, length);
}
