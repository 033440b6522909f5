# Makes a request, lets something become of the process or its connection, and makes another request
# over the same connection. Arguments: what becomes of it, another program, the target.
import os
import signal
import socket
import sys

HOST = "169.254.169.254"


def ask(sock, name, target):
    sock.sendall(f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\nMetadata: true\r\n\r\n".encode())
    response = sock.makefile("rb")
    status = response.readline().split()[1].decode()
    headers = {}
    while (line := response.readline().strip()):
        key, value = line.decode().split(": ", 1)
        headers[key.lower()] = value
    response.read(int(headers.get("content-length", "0")))
    reason = headers.get("latchkey-reason", "none")
    print(f"{become} {name}: {status} {reason}", flush=True)


def execute(program):
    os.set_inheritable(sock.fileno(), True)
    os.execv(program, [program, "-c", code, "again", become, target, str(sock.fileno())])


def in_child():
    if os.fork() == 0:
        ask(sock, "second", target)
        os._exit(0)
    os.wait()


def passed():
    ask_there.send(b"x")
    socket.send_fds(ask_there, [b"x"], [sock.fileno()])
    os.wait()


def orphaned():
    parent = os.getpid()
    if os.fork() != 0:
        os._exit(0)
    while os.path.exists(f"/proc/{parent}"):
        os.sched_yield()
    ask(sock, "second", target)
    os._exit(0)


def receive(there):
    there.recv(1)
    _, descriptors, _, _ = socket.recv_fds(there, 1, 1)
    ask(socket.socket(fileno=descriptors[0]), "second", target)
    os._exit(0)


signal.alarm(120)
with open("/proc/self/cmdline") as file:
    code = file.read().split("\0")[2]
if sys.argv[1] == "again":
    become, target = sys.argv[2:4]
    ask(socket.socket(fileno=int(sys.argv[4])), "second", target)
    sys.exit()
become, other, target = sys.argv[1:]
# The one whose end is waited for, so that its child may be an orphan.
ended, end = os.pipe()
if os.fork() == 0:
    os.close(ended)
    os.set_inheritable(end, True)
    if become == "passed":
        ask_there, there = socket.socketpair()
        if os.fork() == 0:
            receive(there)
    sock = socket.create_connection((HOST, 80))
    ask(sock, "first", target)
    if become == "executes-itself":
        execute(os.readlink("/proc/self/exe"))
    elif become == "executes-another":
        execute(other)
    elif become == "unchanged":
        ask(sock, "second", target)
    else:
        {"inherited": in_child, "passed": passed, "orphaned": orphaned}[become]()
    os._exit(0)
os.close(end)
os.wait()
os.read(ended, 1)
print("done", flush=True)
