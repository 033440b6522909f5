// Every way to ask for metadata that a program on Linux can take, one command per way.
//
// This stands for the applications and attackers of a guest. It shares no code with the product.
// Each command prints one line of JSON about what happened to it; that it was refused is a result,
// not a failure, so only a step that should have worked ends with a code other than 0.
#ifndef CALLER_H
#define CALLER_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#define METADATA "169.254.169.254"
#define PORT 80

// How long anything that should come at once is waited for; then it counts as not answered.
#define PATIENCE_MS 2000

// report.c
int say_refused(const char *step);
int say_answered(int fd, int status, const char *reason);
int say_done(const char *step);
_Noreturn void broken(const char *step);

// http.c
const char *request_text(void);
int parse_head(const char *text, char reason[64]);
const char *request_ahead(size_t length);
int ask(int fd);
int ask_and_say(int fd);
int hear_and_say(int fd);

// stream.c
int open_stream(int count, char **options, const char **failed);
struct sockaddr_in ipv4(const char *address, int port);
int destination(int count, char **options, struct sockaddr_in *to);
const char *option(int count, char **options, const char *name);
int connect_in_time(int fd, const void *to, socklen_t length);
int leads_home(int fd);
int stream_command(int count, char **arguments);

// context.c
int late_command(int count, char **arguments);
int kept_socket_command(int count, char **arguments);
int foreign_socket_command(int count, char **arguments);
int moved_command(int count, char **arguments);

// datagram.c
int datagram_command(int count, char **arguments);
int echo_command(int count, char **arguments);

// uring.c
int uring_command(int count, char **arguments);

// segment.c
struct segment {
	struct in_addr source, destination;
	int source_port, destination_port;
	unsigned sequence, acknowledged;
	int flags;
	const char *payload;
};
enum { FIN = 1, SYN = 2, RST = 4, PUSH = 8, ACK = 16 };
size_t build_ip(const struct segment *segment, int options, unsigned char *packet);
size_t build_udp(const struct segment *segment, unsigned char *packet);
void seal_ip(unsigned char *packet);
int read_segment(const unsigned char *packet, size_t length, struct segment *segment,
		 const unsigned char **payload, size_t *payload_length);

// carrier.c
struct carrier;
struct carrier *open_carrier(const char *name, struct in_addr destination);
int carry(struct carrier *carrier, const unsigned char *packet, size_t length);
struct in_addr address_of_uplink(void);

// handmade.c
int handmade_command(int count, char **arguments);
int handmade_datagram_command(int count, char **arguments);

// hand.c
int give_command(int count, char **arguments);
int steal_command(int count, char **arguments);
int take_command(int count, char **arguments);
int wait_command(int count, char **arguments);
int hold_command(int count, char **arguments);
int reuse_command(int count, char **arguments);

// process.c
pid_t start(uid_t user, const char *program, char *const arguments[]);
pid_t start_as(pid_t number, uid_t user, const char *program, char *const arguments[]);
void become(uid_t user);
int end_of(pid_t child);

// disguise.c
int exec_command(int count, char **arguments);
int speak_command(int count, char **arguments);
int deleted_command(int count, char **arguments);
int memfd_command(int count, char **arguments);
int named_command(int count, char **arguments);
int exe_file_command(int count, char **arguments);

// relative.c
int thread_command(int count, char **arguments);
int vfork_command(int count, char **arguments);
int traced_command(int count, char **arguments);
int dropped_command(int count, char **arguments);

// flood.c
int flood_command(int count, char **arguments);
int bind_command(int count, char **arguments);
int detach_command(int count, char **arguments);

#endif
