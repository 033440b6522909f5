// A TCP of its own, just enough for one request: what a program with CAP_NET_RAW can do without
// any socket that could be redirected.
#define _GNU_SOURCE
#include "caller.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OWN_PORT 20011

struct exchange {
	struct carrier *carrier;
	int ear; // hears every packet that comes in
	int options; // bytes of IP options
	struct segment out;
};

static int emit(struct exchange *exchange, int flags, const char *payload)
{
	unsigned char packet[2048];
	size_t length;

	exchange->out.flags = flags;
	exchange->out.payload = payload;
	length = build_ip(&exchange->out, exchange->options, packet);
	return carry(exchange->carrier, packet, length);
}

static int milliseconds_until(const struct timespec *deadline)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (deadline->tv_sec - now.tv_sec) * 1000 + (deadline->tv_nsec - now.tv_nsec) / 1000000;
}

// Waits for a packet of the other side; returns 0 when none comes in time.
static int hear(struct exchange *exchange, struct segment *in, char *text, size_t room)
{
	struct pollfd ready = { .fd = exchange->ear, .events = POLLIN };
	struct timespec deadline;
	unsigned char packet[65536];
	const unsigned char *payload;
	size_t length;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += PATIENCE_MS / 1000;
	// Packets of others come all the time.
	while (milliseconds_until(&deadline) > 0 &&
	       poll(&ready, 1, milliseconds_until(&deadline)) > 0) {
		ssize_t got = recv(exchange->ear, packet, sizeof(packet), 0);

		*in = exchange->out;
		if (got <= 0 || !read_segment(packet, got, in, &payload, &length))
			continue;
		length = length < room ? length : room;
		memcpy(text, payload, length);
		text[length] = 0;
		in->sequence += length;
		return 1;
	}
	errno = ETIMEDOUT;
	return 0;
}

static int read_answer(struct exchange *exchange)
{
	static char text[65536];
	char reason[64];
	struct segment in;
	size_t length = 0;

	while (!parse_head(text, reason)) {
		if (length > sizeof(text) / 2 ||
		    !hear(exchange, &in, text + length, sizeof(text) - 1 - length))
			return say_done("syn-ack");
		if (in.flags & RST)
			return say_done("syn-ack");
		length = strlen(text);
		exchange->out.acknowledged = in.sequence;
		emit(exchange, ACK, NULL);
	}
	emit(exchange, RST | ACK, NULL);
	return say_answered(-1, parse_head(text, reason), reason);
}

static int converse(struct exchange *exchange)
{
	struct segment in;
	char nothing[8];

	if (emit(exchange, SYN, NULL) < 0)
		return say_refused("syn");
	if (!hear(exchange, &in, nothing, sizeof(nothing) - 1))
		return say_refused("syn-ack");
	if (in.flags != (SYN | ACK)) {
		errno = ECONNREFUSED;
		return say_refused("syn-ack");
	}
	exchange->out.sequence += 1;
	exchange->out.acknowledged = in.sequence + 1;
	if (emit(exchange, ACK | PUSH, request_text()) < 0)
		return say_refused("ask");
	exchange->out.sequence += strlen(request_text());
	return read_answer(exchange);
}

static int prepare(struct exchange *exchange, int count, char **arguments)
{
	const char *source = option(count, arguments, "from");
	struct sockaddr_in to;

	exchange->out.destination_port = destination(count, arguments, &to);
	exchange->out.source = source ? ipv4(source, 0).sin_addr : address_of_uplink();
	exchange->out.destination = to.sin_addr;
	// Of its own for each process: a reset connection may still be remembered on the other side.
	exchange->out.source_port = OWN_PORT + getpid() % 10000;
	exchange->out.sequence = 1000;
	exchange->options = option(count, arguments, "options") ? 8 : 0;
	exchange->ear = socket(AF_PACKET, SOCK_DGRAM, htons(ETHERTYPE_IP));
	if (exchange->ear < 0)
		return say_refused("socket"), -1;
	exchange->carrier = open_carrier(arguments[0], to.sin_addr);
	if (!exchange->carrier)
		return say_refused("socket"), -1;
	return 0;
}

// `handmade CARRIER`, with to=, port=, from= and options (the IP header then has some).
int handmade_command(int count, char **arguments)
{
	struct exchange exchange = { 0 };

	return prepare(&exchange, count, arguments) ? 0 : converse(&exchange);
}

// As the former, with one datagram, which is echoed.
int handmade_datagram_command(int count, char **arguments)
{
	struct exchange exchange = { 0 };
	unsigned char packet[256];
	struct segment in;
	char echo[64];
	size_t length;

	if (prepare(&exchange, count, arguments))
		return 0;
	exchange.out.payload = "hello";
	length = build_udp(&exchange.out, packet);
	if (carry(exchange.carrier, packet, length) < 0)
		return say_refused("send");
	if (!hear(&exchange, &in, echo, sizeof(echo) - 1))
		return say_refused("receive");
	return strcmp(echo, "hello") ? say_refused("receive") : say_done("echoed");
}
