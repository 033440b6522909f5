"""Writes odd but legal HTTP to sockets, and some that no origin server need accept."""

import re
import socket
import time

IMDS, WIRESERVER = "169.254.169.254", "168.63.129.16"
HEAD = b"GET /metadata/versions HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n"
LAST = b"Connection: close\r\n\r\n"


def talk(request, pieces=1, address=IMDS, body=b""):
    """Sends the request in pieces, a body only when asked for; returns all status lines."""
    stream = socket.create_connection((address, 80), 10)
    length = -(-len(request) // pieces)
    for begin in range(0, len(request), length):
        stream.sendall(request[begin : begin + length])
        if pieces > 1:
            time.sleep(0.005)
    answer = b""
    while received := stream.recv(65536):
        answer += received
        if body and answer.startswith(b"HTTP/1.1 100 "):
            stream.sendall(body)
            body = b""
    stream.close()
    return re.findall(r"HTTP/1\.1 \d{3}", answer.decode())


def first():
    """Asks until somebody answers, at most ten seconds long."""
    until = time.monotonic() + 10
    while True:
        try:
            return talk(HEAD + LAST)
        except ConnectionRefusedError:
            print("connection refused", flush=True)
        if time.monotonic() > until:
            raise SystemExit("nobody answers")
        time.sleep(0.1)


print("first:", first())
print("pipelined:", talk(HEAD + b"\r\n" + HEAD + LAST))
print("version 1.0:", talk(b"GET /metadata/versions HTTP/1.0\r\nmetadata: True\r\n\r\n"))
print("in 40 pieces:", talk(HEAD + LAST, pieces=40))
expecting = b"Host: 168.63.129.16\r\nExpect: 100-continue\r\nContent-Length: 4\r\n"
post = b"POST /machine?comp=telemetrydata HTTP/1.1\r\n" + expecting + LAST
print("expecting:", talk(post, address=WIRESERVER, body=b"<x/>"))
print("absolute form:", talk(HEAD.replace(b"GET /", b"GET http://169.254.169.254/") + LAST))
