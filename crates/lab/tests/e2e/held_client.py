# Keeps one connection to the metadata service and asks over it whenever the next file appears:
# PREFIX-1, PREFIX-2 and so on. Prints the status of each answer, or what became of the connection.
import os
import socket
import sys
import time

prefix, target = sys.argv[1:]
connection = socket.create_connection(("169.254.169.254", 80), timeout=30)


def ask():
    head = f"GET {target} HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n\r\n"
    connection.sendall(head.encode())
    answer = connection.makefile("rb")
    status = answer.readline().split(b" ")[1].decode()
    length = 0
    while (line := answer.readline().strip().lower()):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    answer.read(length)
    return status


print("open", flush=True)
number = 1
while True:
    while not os.path.exists(f"{prefix}-{number}"):
        time.sleep(0.01)
    try:
        print(f"answer {number}: {ask()}", flush=True)
    except OSError as error:
        print(f"answer {number}: {type(error).__name__}", flush=True)
    number += 1
