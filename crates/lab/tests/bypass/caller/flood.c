// Greed, squatting, and root's own ways.
#define _GNU_SOURCE
#include "caller.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// `flood COUNT`: begins so many connections, never uses one, and keeps all until it is ended. Reports
// the last one, and prints how many the kernel let it begin.
int flood_command(int count, char **arguments)
{
	int wanted = atoi(arguments[0]), begun = 0, error = 0;
	struct sockaddr_in to = ipv4(METADATA, PORT);

	(void)count;
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ wanted + 64, wanted + 64 });
	for (int at = 0; at < wanted; at++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

		if (fd < 0)
			broken("socket");
		error = connect(fd, (void *)&to, sizeof(to)) ? errno : 0;
		begun += !error || error == EINPROGRESS;
	}
	errno = error;
	say_refused("connect");
	printf("flooded %d of %d\n", begun, wanted);
	fflush(stdout);
	pause();
	return 0;
}

// `bind ADDRESS`: takes the listener's port at this address of either family.
int bind_command(int count, char **arguments)
{
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(3080) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(3080) };
	int is_six = inet_pton(AF_INET6, arguments[0], &six.sin6_addr) == 1;
	int fd = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);

	(void)count;
	if (!is_six && inet_pton(AF_INET, arguments[0], &four.sin_addr) != 1)
		broken("address");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){ 1 }, sizeof(int));
	if (bind(fd, is_six ? (void *)&six : (void *)&four, is_six ? sizeof(six) : sizeof(four)))
		return say_refused("bind");
	return listen(fd, 1) ? say_refused("listen") : say_done("bound");
}

static int bpf(int command, union bpf_attr *attribute)
{
	return syscall(SYS_bpf, command, attribute, sizeof(*attribute));
}

// `detach PIN...`: detaches the programs of pinned links, as root can.
int detach_command(int count, char **arguments)
{
	for (int at = 0; at < count; at++) {
		union bpf_attr open_pin = { .pathname = (unsigned long)arguments[at] };
		union bpf_attr detach = { 0 };
		int link = bpf(BPF_OBJ_GET, &open_pin);

		if (link < 0)
			broken(arguments[at]);
		detach.link_detach.link_fd = link;
		if (bpf(BPF_LINK_DETACH, &detach))
			return say_refused("detach");
	}
	return say_done("detached");
}
