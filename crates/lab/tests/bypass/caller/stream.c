// Stream sockets of every kind, described by options: `stream mapped fastopen device=eth0`.
#define _GNU_SOURCE
#include "caller.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/ip.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

// Returns the value of `name` or `name=value` among the options, NULL if it is not there.
const char *option(int count, char **options, const char *name)
{
	size_t length = strlen(name);

	for (int at = 0; at < count; at++) {
		if (strncmp(options[at], name, length))
			continue;
		if (!options[at][length])
			return "";
		if (options[at][length] == '=')
			return options[at] + length + 1;
	}
	return NULL;
}

// The address may be spelt in any way that inet_aton(3) reads.
struct sockaddr_in ipv4(const char *address, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (!inet_aton(address, &to.sin_addr))
		broken("address");
	return to;
}

// Reads `to=ADDRESS` and `port=PORT`; the instance metadata service without them.
int destination(int count, char **options, struct sockaddr_in *to)
{
	const char *address = option(count, options, "to");
	const char *port = option(count, options, "port");

	*to = ipv4(address ? address : METADATA, port ? atoi(port) : PORT);
	return ntohs(to->sin_port);
}

// Puts the IPv4 address into an IPv6 one behind `prefix`.
static struct sockaddr_in6 embedded(const char *prefix, const struct sockaddr_in *four)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = four->sin_port };

	if (inet_pton(AF_INET6, prefix, &to.sin6_addr) != 1)
		broken("prefix");
	memcpy(&to.sin6_addr.s6_addr[12], &four->sin_addr, 4);
	return to;
}

static void set(int fd, int level, int name, const void *value, socklen_t length)
{
	if (setsockopt(fd, level, name, value, length))
		broken("setsockopt");
}

static void bind_to(int fd, const char *address, int port)
{
	struct sockaddr_in from = ipv4(address, port);

	if (bind(fd, (void *)&from, sizeof(from)))
		broken("bind");
}

// Loose source routing (RFC 791): by way of one address.
static void route_by(int fd, const char *address)
{
	unsigned char route[8] = { IPOPT_LSRR, 7, 4 };

	memcpy(route + 3, &(struct in_addr){ inet_addr(address) }, 4);
	set(fd, IPPROTO_IP, IP_OPTIONS, route, sizeof(route));
}

static void apply(int fd, int count, char **options)
{
	const char *value;
	int on = 1;

	if ((value = option(count, options, "device")))
		set(fd, SOL_SOCKET, SO_BINDTODEVICE, value, strlen(value));
	if ((value = option(count, options, "mark")))
		set(fd, SOL_SOCKET, SO_MARK, &(int){ atoi(value) }, sizeof(int));
	if (option(count, options, "freebind"))
		set(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	if (option(count, options, "transparent"))
		set(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on));
	if (option(count, options, "reuse")) {
		set(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		set(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	}
	if ((value = option(count, options, "route")))
		route_by(fd, value);
	if (option(count, options, "repair"))
		set(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on));
	if (option(count, options, "fastopen-connect"))
		set(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on));
	if ((value = option(count, options, "from")))
		bind_to(fd, value, atoi(option(count, options, "source-port") ?: "0"));
}

// Waits for a connection under way; what does not answer in time is ETIMEDOUT.
static int wait_connected(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	socklen_t length = sizeof(errno);

	if (!poll(&ready, 1, PATIENCE_MS)) {
		errno = ETIMEDOUT;
		return -1;
	}
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &errno, &length);
	return errno ? -1 : 0;
}

int connect_in_time(int fd, const void *to, socklen_t length)
{
	if (fcntl(fd, F_SETFL, O_NONBLOCK))
		broken("fcntl");
	if (connect(fd, to, length) && (errno != EINPROGRESS || wait_connected(fd)))
		return -1;
	return fcntl(fd, F_SETFL, 0);
}

static int reach(int fd, int count, char **options, const void *to, socklen_t length)
{
	if (option(count, options, "fastopen"))
		return sendto(fd, request_ahead(4), 4, MSG_FASTOPEN, to, length) < 0 ? -1 : 0;
	if (option(count, options, "fastopen-connect"))
		return connect(fd, to, length);
	if (option(count, options, "repair"))
		// Nothing is sent before the socket is out of repair.
		return connect(fd, to, length) ?:
			       setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &(int){ 0 }, sizeof(int));
	return connect_in_time(fd, to, length);
}

static int open_socket(int family, int count, char **options)
{
	int protocol = option(count, options, "mptcp") ? IPPROTO_MPTCP : 0;

	return socket(family, SOCK_STREAM, protocol);
}

static const char *prefix_of(int count, char **options)
{
	if (option(count, options, "mapped"))
		return "::ffff:0.0.0.0";
	if (option(count, options, "nat64"))
		return "64:ff9b::";
	return option(count, options, "compatible") ? "::" : NULL;
}

// Returns a connected socket, or -1 with errno and the step that failed.
int open_stream(int count, char **options, const char **failed)
{
	struct sockaddr_in four;
	const char *prefix = prefix_of(count, options);
	int fd = open_socket(prefix ? AF_INET6 : AF_INET, count, options);
	int answer;

	*failed = "socket";
	if (fd < 0)
		return -1;
	destination(count, options, &four);
	apply(fd, count, options);
	*failed = "connect";
	if (prefix) {
		struct sockaddr_in6 six = embedded(prefix, &four);

		answer = reach(fd, count, options, &six, sizeof(six));
	} else {
		answer = reach(fd, count, options, &four, sizeof(four));
	}
	return answer ? -1 : fd;
}

// Whether the connection leads to this machine itself.
int leads_home(int fd)
{
	struct sockaddr_in own;
	socklen_t length = sizeof(own);

	getsockname(fd, (void *)&own, &length);
	return own.sin_addr.s_addr == htonl(INADDR_LOOPBACK);
}

// With `silent` it asks for nothing, and tells where it came to.
int stream_command(int count, char **arguments)
{
	const char *failed;
	int fd = open_stream(count, arguments, &failed);

	if (fd < 0)
		return say_refused(failed);
	if (option(count, arguments, "silent"))
		return say_done(leads_home(fd) ? "redirected" : "direct");
	return ask_and_say(fd);
}
