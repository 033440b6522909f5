// Sends one request and reads its answer to the end, so that the connection can be used again.
#define _GNU_SOURCE
#include "caller.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

const char *request_text(void)
{
	static char text[512];
	const char *target = getenv("TARGET");
	const char *host = getenv("HOST");

	snprintf(text, sizeof(text),
		 "GET %s HTTP/1.1\r\nHost: %s\r\nMetadata: true\r\nx-ms-version: 2012-11-30\r\n\r\n",
		 target ? target : "/metadata/instance?api-version=2021-08-01", host ? host : METADATA);
	return text;
}

// Returns the status of an answer whose head is complete, and 0 of any other text.
int parse_head(const char *text, char reason[64])
{
	const char *line = strcasestr(text, "\r\nlatchkey-reason:");
	int status = 0;

	*reason = 0;
	if (!strstr(text, "\r\n\r\n") || sscanf(text, "HTTP/1.%*d %d", &status) != 1)
		return 0;
	if (line)
		sscanf(line, "%*[^:]: %63[a-z0-9_]", reason);
	return status;
}

static int is_whole(const char *text, size_t length)
{
	const char *end = strstr(text, "\r\n\r\n");
	const char *size = strcasestr(text, "\r\ncontent-length:");

	if (!end)
		return 0;
	if (size && size < end)
		return length >= (size_t)(end + 4 - text) + strtoul(size + 17, NULL, 10);
	return length >= 5 && !strcmp(text + length - 5, "0\r\n\r\n");
}

static char answer[1 << 18];

static size_t ahead;

// Returns the first bytes of the request, which travel with the SYN; ask() sends the rest.
const char *request_ahead(size_t length)
{
	ahead = length;
	return request_text();
}

// Returns the status of the answer, or -1 with errno set.
static int hear(int fd)
{
	struct timeval patience = { .tv_sec = 10 };
	char reason[64];
	size_t length = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	memset(answer, 0, sizeof(answer));
	while (!is_whole(answer, length)) {
		ssize_t got = recv(fd, answer + length, sizeof(answer) - 1 - length, 0);

		if (got < 0)
			return -1;
		if (!got)
			break;
		length += got;
	}
	errno = ECONNRESET;
	return parse_head(answer, reason) ?: -1;
}

// As hear(), of a request that it sends.
int ask(int fd)
{
	const char *rest = request_text() + ahead;

	ahead = 0;
	if (send(fd, rest, strlen(rest), MSG_NOSIGNAL) < 0)
		return -1;
	return hear(fd);
}

static int say_what_came(int fd, int status)
{
	char reason[64];

	if (status < 0)
		return say_refused("ask");
	return say_answered(fd, parse_head(answer, reason), reason);
}

int hear_and_say(int fd)
{
	return say_what_came(fd, hear(fd));
}

int ask_and_say(int fd)
{
	return say_what_came(fd, ask(fd));
}
