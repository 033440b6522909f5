// Prints what happened: one line of JSON.
#define _GNU_SOURCE
#include "caller.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void print_text(const char *name, const char *text)
{
	if (text && *text)
		printf(",\"%s\":\"%s\"", name, text);
	else
		printf(",\"%s\":null", name);
}

static int say(const char *step, int error, const char *peer, int status, const char *reason)
{
	printf("{\"step\":\"%s\"", step);
	print_text("error", error ? strerrorname_np(error) : NULL);
	print_text("peer", peer);
	if (status)
		printf(",\"status\":%d", status);
	else
		printf(",\"status\":null");
	print_text("reason", reason);
	printf("}\n");
	fflush(stdout);
	return 0;
}

int say_refused(const char *step)
{
	return say(step, errno, NULL, 0, NULL);
}

int say_done(const char *step)
{
	return say(step, 0, NULL, 0, NULL);
}

// The peer as the application sees it, "" where there is no socket that knows one.
static void name_peer(int fd, char text[80])
{
	struct sockaddr_storage peer = { 0 };
	socklen_t length = sizeof(peer);
	char address[INET6_ADDRSTRLEN];
	struct sockaddr_in *four = (void *)&peer;
	struct sockaddr_in6 *six = (void *)&peer;
	const void *bytes;

	*text = 0;
	if (fd < 0 || getpeername(fd, (void *)&peer, &length))
		return;
	bytes = peer.ss_family == AF_INET6 ? (void *)&six->sin6_addr : (void *)&four->sin_addr;
	inet_ntop(peer.ss_family, bytes, address, sizeof(address));
	snprintf(text, 80, peer.ss_family == AF_INET6 ? "[%s]:%d" : "%s:%d", address,
		 ntohs(four->sin_port));
}

int say_answered(int fd, int status, const char *reason)
{
	char peer[80];

	name_peer(fd, peer);
	return say("answered", 0, peer, status, reason);
}

_Noreturn void broken(const char *step)
{
	fprintf(stderr, "caller: %s: %s\n", step, strerror(errno));
	exit(1);
}
