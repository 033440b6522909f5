// Finds the command and runs it.
#include "caller.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	int least; // how many arguments it needs
	int (*run)(int count, char **arguments);
} COMMANDS[] = {
	{ "stream", 0, stream_command },
	{ "late", 0, late_command },
	{ "kept-socket", 1, kept_socket_command },
	{ "foreign-socket", 0, foreign_socket_command },
	{ "moved", 1, moved_command },
	{ "datagram", 0, datagram_command },
	{ "echo", 0, echo_command },
	{ "uring", 1, uring_command },
	{ "handmade", 1, handmade_command },
	{ "handmade-datagram", 1, handmade_datagram_command },
	{ "give", 3, give_command },
	{ "wait", 0, wait_command },
	{ "steal", 2, steal_command },
	{ "take", 1, take_command },
	{ "hold", 0, hold_command },
	{ "reuse", 3, reuse_command },
	{ "exec", 2, exec_command },
	{ "speak", 1, speak_command },
	{ "deleted", 0, deleted_command },
	{ "memfd", 0, memfd_command },
	{ "named", 1, named_command },
	{ "exe-file", 1, exe_file_command },
	{ "thread", 2, thread_command },
	{ "vfork", 0, vfork_command },
	{ "traced", 1, traced_command },
	{ "dropped", 1, dropped_command },
	{ "flood", 1, flood_command },
	{ "bind", 1, bind_command },
	{ "detach", 1, detach_command },
};

int main(int count, char **arguments)
{
	// Nothing here may outlive its test, whatever happens to it.
	alarm(60);
	signal(SIGPIPE, SIG_IGN);
	for (size_t at = 0; at < sizeof(COMMANDS) / sizeof(*COMMANDS); at++) {
		if (count < 2 || strcmp(COMMANDS[at].name, arguments[1]))
			continue;
		if (count - 2 < COMMANDS[at].least)
			break;
		return COMMANDS[at].run(count - 2, arguments + 2);
	}
	fprintf(stderr, "caller: no such command, or too few arguments\n");
	return 64;
}
