# Connects again and again, prints how often it was let and how often it was refused, and keeps what
# it has until it is killed.
import signal
import socket
import sys

connections = []
refused = 0
for _ in range(int(sys.argv[1])):
    try:
        connections.append(socket.create_connection(("169.254.169.254", 80), timeout=10))
    except ConnectionRefusedError:
        refused += 1
print("done", len(connections), refused, flush=True)
signal.pause()
