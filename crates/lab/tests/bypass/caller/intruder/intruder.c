// A library that asks in the name of whatever program loads it, before the program begins.
#include "../caller.h"

#include <unistd.h>

__attribute__((constructor)) static void intrude(void)
{
	alarm(60);
	_exit(stream_command(0, NULL));
}
