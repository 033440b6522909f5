// Datagrams: to a protected port, which is a way round, and to the ports of DNS, DHCP and NTP, which
// must pass; and the host's side of the latter, which echoes them.
#define _GNU_SOURCE
#include "caller.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELLO "hello"

static int send_datagram(int fd, int count, char **options, const struct sockaddr_in *to)
{
	struct sockaddr_in unnamed = *to;

	if (option(count, options, "connected"))
		return connect(fd, (void *)to, sizeof(*to)) ? -1 : send(fd, HELLO, sizeof(HELLO), 0);
	// Linux takes an address without a family for IPv4 here.
	if (option(count, options, "unspecified"))
		unnamed.sin_family = AF_UNSPEC;
	return sendto(fd, HELLO, sizeof(HELLO), 0, (void *)&unnamed, sizeof(unnamed));
}

static int wait_echo(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	char echo[16];

	if (!poll(&ready, 1, PATIENCE_MS)) {
		errno = ETIMEDOUT;
		return say_refused("receive");
	}
	if (recv(fd, echo, sizeof(echo), 0) != sizeof(HELLO) || strcmp(echo, HELLO))
		return say_refused("receive");
	return say_done("echoed");
}

// Options: connected, unspecified, lite, to=ADDRESS, port=PORT.
int datagram_command(int count, char **arguments)
{
	int protocol = option(count, arguments, "lite") ? IPPROTO_UDPLITE : IPPROTO_UDP;
	int fd = socket(AF_INET, SOCK_DGRAM, protocol);
	struct sockaddr_in to;

	if (fd < 0)
		return say_refused("socket");
	destination(count, arguments, &to);
	if (send_datagram(fd, count, arguments, &to) < 0)
		return say_refused("send");
	return wait_echo(fd);
}

// Echoes every datagram that comes to the metadata address at these ports.
int echo_command(int count, char **arguments)
{
	struct pollfd ready[8];

	for (int at = 0; at < count && at < 8; at++) {
		struct sockaddr_in here = ipv4(METADATA, atoi(arguments[at]));
		int fd = socket(AF_INET, SOCK_DGRAM, 0);

		if (bind(fd, (void *)&here, sizeof(here)))
			broken("bind");
		ready[at] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	puts("ready");
	fflush(stdout);
	while (poll(ready, count, -1) > 0) {
		for (int at = 0; at < count; at++) {
			struct sockaddr_in from;
			socklen_t length = sizeof(from);
			char text[64];
			ssize_t got;

			if (!(ready[at].revents & POLLIN))
				continue;
			got = recvfrom(ready[at].fd, text, sizeof(text), 0, (void *)&from, &length);
			if (got > 0)
				sendto(ready[at].fd, text, got, 0, (void *)&from, length);
		}
	}
	return 1;
}
