// Threads, children and tracers: callers whose process is not all there is to them.
#define _GNU_SOURCE
#include "caller.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// The C library would change the user of all threads.
static void become_alone(uid_t user)
{
	gid_t group = user + 1000;

	if (syscall(SYS_setresgid, group, group, group) || syscall(SYS_setresuid, user, user, user))
		broken("become");
}

static void *worker_drops(void *user)
{
	become_alone(*(uid_t *)user);
	stream_command(0, NULL);
	return NULL;
}

static pthread_barrier_t dropped;

static void *worker_keeps(void *unused)
{
	pthread_barrier_wait(&dropped);
	stream_command(0, NULL);
	return unused;
}

// `thread worker UID`: one thread becomes UID and connects, the main thread stays what it is.
// `thread main UID`: the main thread becomes UID, and another, which does not, connects.
int thread_command(int count, char **arguments)
{
	int main_drops = !strcmp(arguments[0], "main");
	uid_t user = atoi(arguments[1]);
	pthread_t thread;

	(void)count;
	pthread_barrier_init(&dropped, NULL, 2);
	if (pthread_create(&thread, NULL, main_drops ? worker_keeps : worker_drops, &user))
		broken("pthread_create");
	if (main_drops) {
		become_alone(user);
		pthread_barrier_wait(&dropped);
	}
	pthread_join(thread, NULL);
	return 0;
}

static int child_connects(void *unused)
{
	(void)unused;
	return stream_command(0, NULL);
}

// A child that shares all memory with its parent, which stands still meanwhile.
int vfork_command(int count, char **arguments)
{
	static char stack[1 << 20] __attribute__((aligned(16)));
	pid_t child = clone(child_connects, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);

	(void)count, (void)arguments;
	if (child < 0)
		broken("clone");
	return end_of(child);
}

// `traced PROGRAM`: runs the program under a tracer, which could write whatever it likes into it.
int traced_command(int count, char **arguments)
{
	pid_t child = fork();
	int status;

	(void)count;
	if (!child) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execl(arguments[0], arguments[0], "stream", NULL);
		broken(arguments[0]);
	}
	while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
		int signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);

		if (ptrace(PTRACE_CONT, child, NULL, (void *)(long)signal))
			broken("PTRACE_CONT");
	}
	return !WIFEXITED(status);
}

// `dropped UID`: gives up the effective user alone.
int dropped_command(int count, char **arguments)
{
	if (setresuid(-1, atoi(arguments[0]), -1))
		broken("setresuid");
	return stream_command(count - 1, arguments + 1);
}
