// Connects through io_uring, by raw system calls: plain, by a worker, by the polling thread, and
// with the credentials of a registered personality.
#define _GNU_SOURCE
#include "caller.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ring {
	int fd;
	unsigned *tail, *array;
	struct io_uring_sqe *entries;
	unsigned *completed_head;
	struct io_uring_cqe *completions;
	unsigned completion_mask;
};

static void *map(int fd, size_t length, off_t offset)
{
	void *found = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);

	if (found == MAP_FAILED)
		broken("mmap");
	return found;
}

static struct ring open_ring(unsigned flags)
{
	struct io_uring_params parameters = { .flags = flags };
	struct ring ring = { .fd = syscall(SYS_io_uring_setup, 1, &parameters) };
	char *submission, *completion;

	if (ring.fd < 0)
		broken("io_uring_setup");
	submission = map(ring.fd, parameters.sq_off.array + sizeof(unsigned), IORING_OFF_SQ_RING);
	completion = map(ring.fd,
			 parameters.cq_off.cqes + parameters.cq_entries * sizeof(struct io_uring_cqe),
			 IORING_OFF_CQ_RING);
	ring.entries = map(ring.fd, sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	ring.tail = (void *)(submission + parameters.sq_off.tail);
	ring.array = (void *)(submission + parameters.sq_off.array);
	ring.completed_head = (void *)(completion + parameters.cq_off.head);
	ring.completions = (void *)(completion + parameters.cq_off.cqes);
	ring.completion_mask = parameters.cq_entries - 1;
	return ring;
}

// Runs one operation and returns its result, a negative errno if it failed.
static int run(struct ring *ring, const struct io_uring_sqe *entry)
{
	unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_SQ_WAKEUP;
	unsigned at = *ring->completed_head;

	ring->entries[0] = *entry;
	ring->array[0] = 0;
	__atomic_fetch_add(ring->tail, 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, flags, NULL, 0) < 0)
		broken("io_uring_enter");
	__atomic_store_n(ring->completed_head, at + 1, __ATOMIC_RELEASE);
	return ring->completions[at & ring->completion_mask].res;
}

static int personality_of(struct ring *ring, uid_t user)
{
	int id;

	if (setresgid(-1, user ? user + 1000 : 0, -1) || setresuid(-1, user, -1))
		broken("become");
	id = syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_PERSONALITY, NULL, 0);
	if (id < 0)
		broken("register personality");
	if (setresuid(-1, 0, -1) || setresgid(-1, 0, -1))
		broken("return");
	return id;
}

// `plain`, `worker`, `polled`, `as=UID` (root acts as another) or `kept=UID` (another acts as root).
int uring_command(int count, char **arguments)
{
	const char *kept = option(count, arguments, "kept");
	const char *as = option(count, arguments, "as");
	struct ring ring = open_ring(option(count, arguments, "polled") ? IORING_SETUP_SQPOLL : 0);
	struct sockaddr_in to = ipv4(METADATA, PORT);
	struct io_uring_sqe entry = { .opcode = IORING_OP_CONNECT };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int result;

	entry.fd = fd;
	entry.addr = (unsigned long)&to;
	entry.off = sizeof(to);
	if (option(count, arguments, "worker"))
		entry.flags = IOSQE_ASYNC;
	if (as)
		entry.personality = personality_of(&ring, atoi(as));
	if (kept) {
		entry.personality = personality_of(&ring, 0);
		become(atoi(kept));
	}
	result = run(&ring, &entry);
	if (result < 0) {
		errno = -result;
		return say_refused("connect");
	}
	return ask_and_say(fd);
}
