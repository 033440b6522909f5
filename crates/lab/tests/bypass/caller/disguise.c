// Programs that are not what they look like.
#define _GNU_SOURCE
#include "caller.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

// `exec before PROGRAM`: connects and becomes another program, which asks.
// `exec after PROGRAM`: asks once before.
int exec_command(int count, char **arguments)
{
	const char *failed;
	int fd = open_stream(count - 2, arguments + 2, &failed);
	char text[12];

	if (fd < 0)
		return say_refused(failed);
	if (!strcmp(arguments[0], "after") && ask(fd) != 200)
		broken("first request");
	snprintf(text, sizeof(text), "%d", fd);
	execl(arguments[1], arguments[1], "speak", text, NULL);
	broken(arguments[1]);
}

// `speak FD`: asks over a connection that it was started with.
int speak_command(int count, char **arguments)
{
	(void)count;
	puts("speaking");
	fflush(stdout);
	return ask_and_say(atoi(arguments[0]));
}

// Removes its own executable before it connects.
int deleted_command(int count, char **arguments)
{
	char path[512] = { 0 };

	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0 || unlink(path))
		broken("unlink");
	return stream_command(count, arguments);
}

// Runs a copy of itself that lies in memory alone.
int memfd_command(int count, char **arguments)
{
	char *again[] = { "caller", "stream", NULL };
	int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int copy = memfd_create("curl", MFD_CLOEXEC);
	struct stat size;

	(void)count, (void)arguments;
	if (fstat(own, &size) || sendfile(copy, own, NULL, size.st_size) != size.st_size)
		broken("copy");
	fexecve(copy, again, environ);
	broken("fexecve");
}

// Gives itself the name of a task.
int named_command(int count, char **arguments)
{
	if (prctl(PR_SET_NAME, arguments[0]))
		broken("PR_SET_NAME");
	return stream_command(count - 1, arguments + 1);
}

// Puts memory without a file in the place of each mapping of a file, with the same content.
static void unmap_file(const char *file)
{
	char line[1024], rights[8], name[512];
	unsigned long begin, end;
	FILE *maps = fopen("/proc/self/maps", "r");

	while (maps && fgets(line, sizeof(line), maps)) {
		void *copy;
		int allowed;

		*name = 0;
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %511s", &begin, &end, rights, name) < 4 ||
		    strcmp(name, file))
			continue;
		allowed = (rights[0] == 'r' ? PROT_READ : 0) | (rights[1] == 'w' ? PROT_WRITE : 0) |
			  (rights[2] == 'x' ? PROT_EXEC : 0);
		copy = mmap(NULL, end - begin, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
		memcpy(copy, (void *)begin, end - begin);
		mprotect(copy, end - begin, allowed);
		mremap(copy, end - begin, end - begin, MREMAP_MAYMOVE | MREMAP_FIXED, begin);
	}
	if (maps)
		fclose(maps);
}

static unsigned long field_of_stat(int wanted)
{
	static char text[1024];
	FILE *file = fopen("/proc/self/stat", "r");
	char *at;

	if (!file || !fgets(text, sizeof(text), file))
		broken("/proc/self/stat");
	fclose(file);
	at = strrchr(text, ')') + 2;
	for (int field = 3; field < wanted; field++)
		at = strchr(at, ' ') + 1;
	return strtoul(at, NULL, 10);
}

static int name_executable(void *map)
{
	if (unshare(CLONE_NEWUSER))
		broken("unshare");
	return prctl(PR_SET_MM, PR_SET_MM_MAP, map, sizeof(struct prctl_mm_map), 0) ? errno : 0;
}

// Names another file as its executable (PR_SET_MM_MAP). That takes a user namespace of one's own,
// so a child that shares the memory does it: the process itself stays where it is.
int exe_file_command(int count, char **arguments)
{
	struct prctl_mm_map map = {
		.start_code = field_of_stat(26), .end_code = field_of_stat(27),
		.start_data = field_of_stat(45), .end_data = field_of_stat(46),
		.start_brk = field_of_stat(47), .brk = (unsigned long)sbrk(0),
		.start_stack = field_of_stat(28),
		.arg_start = field_of_stat(48), .arg_end = field_of_stat(49),
		.env_start = field_of_stat(50), .env_end = field_of_stat(51),
		.exe_fd = open(arguments[0], O_RDONLY),
	};
	static char stack[1 << 16] __attribute__((aligned(16)));
	char own[512] = { 0 };

	if (readlink("/proc/self/exe", own, sizeof(own) - 1) < 0)
		broken("readlink");
	unmap_file(own);
	errno = end_of(clone(name_executable, stack + sizeof(stack),
			     CLONE_VM | CLONE_VFORK | SIGCHLD, &map));
	if (errno)
		return say_refused("PR_SET_MM_MAP");
	return stream_command(count - 1, arguments + 1);
}
