// Starts processes as other users, and with chosen numbers.
#define _GNU_SOURCE
#include "caller.h"

#include <errno.h>
#include <grp.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Becomes a user of the guest for good; groups of users are their numbers and 1000.
void become(uid_t user)
{
	gid_t group = user ? user + 1000 : 0;

	if (getuid() == user && geteuid() == user)
		return;
	if (setgroups(0, NULL) || setresgid(group, group, group) || setresuid(user, user, user))
		broken("become");
}

static _Noreturn void run(uid_t user, const char *program, char *const arguments[])
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	become(user);
	execv(program, arguments);
	broken(program);
}

pid_t start(uid_t user, const char *program, char *const arguments[])
{
	pid_t child = fork();

	if (child < 0)
		broken("fork");
	if (!child)
		run(user, program, arguments);
	return child;
}

// As the former, under a number that must be free.
pid_t start_as(pid_t number, uid_t user, const char *program, char *const arguments[])
{
	struct clone_args how = { .exit_signal = SIGCHLD, .set_tid_size = 1 };
	pid_t child;

	how.set_tid = (unsigned long)&number;
	child = syscall(SYS_clone3, &how, sizeof(how));
	if (child < 0)
		broken("clone3");
	if (!child)
		run(user, program, arguments);
	return child;
}

// Waits for a child and returns its exit code.
int end_of(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
		errno = ECHILD;
		broken("child");
	}
	return WEXITSTATUS(status);
}
