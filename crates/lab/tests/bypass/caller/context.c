// Connections and sockets that outlive the circumstances they were made in.
#define _GNU_SOURCE
#include "caller.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// Connects, as soon as it can, and asks when it is told to by SIGUSR1.
int late_command(int count, char **arguments)
{
	const char *failed;
	sigset_t told;
	int fd, got;

	sigemptyset(&told);
	sigaddset(&told, SIGUSR1);
	sigprocmask(SIG_BLOCK, &told, NULL);
	while ((fd = open_stream(count, arguments, &failed)) < 0)
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	puts(leads_home(fd) ? "redirected" : "direct");
	fflush(stdout);
	sigwait(&told, &got);
	return ask_and_say(fd);
}

static void move_to(const char *group)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		broken(path);
	close(fd);
}

// Connects, moves to another control group, and asks then.
int moved_command(int count, char **arguments)
{
	const char *failed;
	int fd = open_stream(count - 1, arguments + 1, &failed);

	if (fd < 0)
		return say_refused(failed);
	move_to(arguments[0]);
	return ask_and_say(fd);
}

static int connect_late(int fd)
{
	struct sockaddr_in to = ipv4(METADATA, PORT);

	if (connect_in_time(fd, &to, sizeof(to)))
		return say_refused("connect");
	return ask_and_say(fd);
}

// Makes a socket, moves to another control group, and connects then.
int kept_socket_command(int count, char **arguments)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)count;
	move_to(arguments[0]);
	return connect_late(fd);
}

// Makes a socket in a network namespace of its own and connects it from the old one.
int foreign_socket_command(int count, char **arguments)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd;

	(void)count, (void)arguments;
	if (home < 0 || unshare(CLONE_NEWNET))
		broken("unshare");
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (setns(home, CLONE_NEWNET))
		broken("setns");
	return connect_late(fd);
}
