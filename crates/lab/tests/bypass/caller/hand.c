// Hands connections from process to process: SCM_RIGHTS, pidfd_getfd, and a reused process number.
#define _GNU_SOURCE
#include "caller.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void send_descriptor(int channel, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS } };
	struct iovec byte = { "x", 1 };
	struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	if (sendmsg(channel, &message, 0) != 1)
		broken("send descriptor");
}

static int receive_descriptor(int channel)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(channel, &message, 0) != 1 || message.msg_controllen < sizeof(control))
		broken("receive descriptor");
	memcpy(&fd, CMSG_DATA((struct cmsghdr *)control), sizeof(fd));
	return fd;
}

static void connect_and_ask(int *fd)
{
	const char *failed;

	*fd = open_stream(0, NULL, &failed);
	if (*fd < 0 || ask(*fd) != 200)
		broken("first request");
}

// `hold [CHANNEL]`: connects, asks once, and keeps the connection; passes it on where told to. With
// `quit` it ends then, else it lives until the other end of the channel is closed.
int hold_command(int count, char **arguments)
{
	int channel = count ? atoi(arguments[0]) : -1;
	char byte;
	int fd;

	connect_and_ask(&fd);
	printf("holding %d\n", fd);
	fflush(stdout);
	if (channel < 0)
		pause();
	send_descriptor(channel, fd);
	if (!option(count, arguments, "quit"))
		while (read(channel, &byte, 1) > 0)
			;
	return 0;
}

// Sends a request and far more than the other side reads, in one call.
static void *send_without_end(void *fd)
{
	static char stuffed[1 << 26];

	strcpy(stuffed, request_text());
	memset(stuffed + strlen(stuffed), 'x', sizeof(stuffed) - strlen(stuffed) - 1);
	send(*(int *)fd, stuffed, sizeof(stuffed), MSG_NOSIGNAL);
	return NULL;
}

// The first bytes go ahead, so that it is known who sends before there is a whole request.
static int ask_in_two(int fd)
{
	if (send(fd, request_ahead(4), 4, MSG_NOSIGNAL) != 4)
		return say_refused("ask");
	return ask_and_say(fd);
}

static int ask_without_end(int fd)
{
	pthread_t sender;

	if (pthread_create(&sender, NULL, send_without_end, &fd))
		broken("pthread_create");
	return hear_and_say(fd);
}

// `take CHANNEL`: takes over a connection and asks over it; with `alone` after the giver has ended.
int take_command(int count, char **arguments)
{
	int channel = atoi(arguments[0]);
	int fd = receive_descriptor(channel);
	char byte;

	if (option(count, arguments, "alone"))
		while (read(channel, &byte, 1) > 0)
			;
	return getenv("STUFFED") ? ask_without_end(fd) : ask_in_two(fd);
}

static char *number(int value)
{
	char *text;

	if (asprintf(&text, "%d", value) < 0)
		broken("asprintf");
	return text;
}

// `give GIVER UID TAKER [quit]`: user 1001 runs the program GIVER, which connects, asks once and
// passes its connection to user UID's program TAKER, which asks again.
int give_command(int count, char **arguments)
{
	int quits = option(count, arguments, "quit") != NULL, pair[2];
	pid_t giver, taker;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		broken("socketpair");
	giver = fork();
	if (!giver) {
		close(pair[1]);
		become(1001);
		execl(arguments[0], arguments[0], "hold", number(pair[0]), quits ? "quit" : NULL, NULL);
		broken(arguments[0]);
	}
	taker = fork();
	if (!taker) {
		close(pair[0]);
		become(atoi(arguments[1]));
		execl(arguments[2], arguments[2], "take", number(pair[1]), quits ? "alone" : NULL, NULL);
		broken(arguments[2]);
	}
	close(pair[0]);
	// Until it is waited for, a process that ended is still there.
	if (quits && end_of(giver))
		return 1;
	close(pair[1]);
	return end_of(taker) || (!quits && end_of(giver));
}

// `wait`: lives until it is killed.
int wait_command(int count, char **arguments)
{
	(void)count, (void)arguments;
	return pause();
}

// `steal PID FD`: takes a descriptor out of another process of the same user and asks over it.
int steal_command(int count, char **arguments)
{
	int other = syscall(SYS_pidfd_open, atoi(arguments[0]), 0);
	int fd = syscall(SYS_pidfd_getfd, other, atoi(arguments[1]), 0);

	(void)count;
	return fd < 0 ? say_refused("pidfd_getfd") : ask_and_say(fd);
}

// Connects as a user, sends a request, passes the connection on and ends.
static void connect_and_leave(uid_t user, int channel)
{
	const char *failed;
	int fd;

	become(user);
	fd = open_stream(0, NULL, &failed);
	if (fd < 0)
		broken(failed);
	send_descriptor(channel, fd);
	_exit(0);
}

// `reuse UID USER PROGRAM`: user UID connects and ends, and user USER's program gets its
// process number before anybody looks. The agent must be stopped meanwhile, as "reused" tells.
int reuse_command(int count, char **arguments)
{
	char *victim[] = { arguments[2], "wait", NULL };
	int pair[2], fd, status;
	pid_t first, second;

	(void)count;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		broken("socketpair");
	first = fork();
	if (!first)
		connect_and_leave(atoi(arguments[0]), pair[0]);
	fd = receive_descriptor(pair[1]);
	if (end_of(first))
		return 1;
	second = start_as(first, atoi(arguments[1]), arguments[2], victim);
	puts(second == first ? "reused" : "another");
	fflush(stdout);
	ask_and_say(fd);
	kill(second, SIGKILL);
	return waitpid(second, &status, 0) != second;
}
