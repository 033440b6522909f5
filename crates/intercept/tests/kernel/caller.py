# Opens connections on command: one command per line on stdin, one answer per line on stdout.
# It stands for the applications of a machine, which may use any socket that the kernel offers.
import ctypes
import errno
import mmap
import os
import signal
import socket
import struct
import sys
import threading

KINDS = {
    "tcp": (socket.SOCK_STREAM, 0),
    "mptcp": (socket.SOCK_STREAM, 262),
    "udp": (socket.SOCK_DGRAM, 0),
    "udplite": (socket.SOCK_DGRAM, 136),
    "dccp": (6, 33),
}
MSG_FASTOPEN = 0x20000000
IP_MINTTL = 21
PR_SET_PDEATHSIG = 1
PR_SET_MM, PR_SET_MM_MAP = 35, 14
MREMAP_MAYMOVE_FIXED = 3
SYS_SETGROUPS = {"x86_64": 116, "aarch64": 159}[os.uname().machine]
libc = ctypes.CDLL(None, use_errno=True)
served = []
kept = []
sock = None
connecting = None


def open_socket(family, kind):
    global sock
    sock = socket.socket(getattr(socket, "AF_" + family), *KINDS[kind])
    sock.settimeout(10)


def connect(address, port):
    sock.connect((address, int(port)))


class Connecting(threading.Thread):
    """Connects again and again until it is stopped."""

    def __init__(self, address, port):
        super().__init__(daemon=True)
        self.destination = (address, int(port))
        self.stopping = threading.Event()
        self.attempts = self.successes = 0

    def run(self):
        while not self.stopping.is_set():
            with socket.socket() as each:
                each.settimeout(2)
                self.successes += each.connect_ex(self.destination) == 0
                self.attempts += 1


def start_connecting(address, port):
    global connecting
    connecting = Connecting(address, port)
    connecting.start()


def stop_connecting():
    connecting.stopping.set()
    connecting.join()
    return "%d of %d" % (connecting.successes, connecting.attempts)


def fast_open(address, port):
    sock.setblocking(True)  # with a time-out it would not wait for the connection
    sock.sendto(b"first bytes", MSG_FASTOPEN, (address, int(port)))


def send_datagram(address, port):
    sock.sendto(b"datagram", (address, int(port)))


def disconnect():
    unspecified = struct.pack("H14x", socket.AF_UNSPEC)
    if libc.connect(sock.fileno(), unspecified, len(unspecified)):
        raise OSError(ctypes.get_errno(), "connect")


def bind(address, port):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, int(port)))
    return sock.getsockname()[1]


def bind_to_device(name):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode())


def hear_nothing():
    # Packets over loopback have a smaller time to live, so the kernel drops all answers.
    sock.setsockopt(socket.IPPROTO_IP, IP_MINTTL, 255)


def send_syn(address, port):
    sock.setblocking(False)
    return errno.errorcode.get(sock.connect_ex((address, int(port))), "ok")


def listen(address, port):
    server = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    server.bind((address, int(port)))
    server.listen()
    served.append(server)


def listen_unbound():
    sock.listen()
    return sock.getsockname()[1]


def keep():
    kept.append(sock)


def close_kept(count):
    for _ in range(int(count)):
        kept.pop().close()


def peer():
    return "%s %d" % sock.getpeername()[:2]


def send(text):
    sock.sendall(text.encode())


def receive():
    return sock.recv(64).decode()


def finish_sending():
    sock.shutdown(socket.SHUT_WR)


def reset():
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def become(user, group):
    os.setgroups([])
    os.setresgid(int(group), int(group), int(group))
    os.setresuid(int(user), int(user), int(user))


def set_effective_user(user):
    os.seteuid(int(user))


def set_groups(first, count):
    os.setgroups(range(int(first), int(first) + int(count)))


def execute(path, *arguments):
    """Goes on as another program, with the connection as its descriptor 9."""
    os.dup2(sock.fileno(), 9)
    os.execv(path, [path, *arguments])


def execute_in_memory(path, *arguments):
    """Goes on as a copy of a program that no file system holds."""
    copy = os.memfd_create("copy")
    with open(path, "rb") as file:
        os.write(copy, file.read())
    os.execve(copy, [path, *arguments], os.environ)


def put_memory_over(begin, size, rights):
    """Puts memory without a file, with the same content, in the place of what is there."""
    libc.mmap.restype = ctypes.c_void_p
    begin, size = ctypes.c_void_p(begin), ctypes.c_size_t(size)
    copy = libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE,
                     mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    allowed = (mmap.PROT_READ * ("r" in rights) | mmap.PROT_WRITE * ("w" in rights)
               | mmap.PROT_EXEC * ("x" in rights))
    copy = ctypes.c_void_p(copy)
    ctypes.memmove(copy, begin, size.value)
    libc.mprotect(copy, size, allowed)
    libc.mremap(copy, size, size, MREMAP_MAYMOVE_FIXED, begin)


def show_as_executable(path):
    """Names another file as its executable; none of its memory may come from the real one."""
    own = os.readlink("/proc/self/exe")
    with open("/proc/self/maps") as maps:
        areas = [line.split()[:2] for line in maps if line.rstrip().endswith(own)]
    for area, rights in areas:
        begin, end = (int(address, 16) for address in area.split("-"))
        put_memory_over(begin, end - begin, rights)
    with open("/proc/self/stat") as stat:
        fields = [0, 0, 0] + stat.read().rpartition(")")[2].split()  # counted as in proc(5)
    libc.sbrk.restype = ctypes.c_void_p
    addresses = [*fields[26:28], *fields[45:48], libc.sbrk(0), fields[28], *fields[48:52]]
    with open(path, "rb") as file:
        memory = struct.pack("12QII", *map(int, addresses), 0, 0, file.fileno())
        if libc.prctl(PR_SET_MM, PR_SET_MM_MAP, memory, len(memory), 0):
            raise OSError(ctypes.get_errno(), "PR_SET_MM_MAP")


def in_child(command, *arguments):
    """Lets a child, which inherits the connection, do something."""
    child = os.fork()
    if child == 0:
        COMMANDS[command](*arguments)
        os._exit(0)
    os.waitpid(child, 0)


def in_child_that_stays(command, *arguments):
    """Lets a child do something and then wait until the caller ends."""
    ready, done = os.pipe()
    if os.fork() == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        COMMANDS[command](*arguments)
        os.write(done, b"x")
        signal.pause()
    os.read(ready, 1)


def in_thread(*steps):
    """Runs commands, separated by `then`, in a thread of its own; it may change its own groups."""
    failures = []

    def run():
        try:
            for step in " ".join(steps).split(" then "):
                name, *arguments = step.split()
                COMMANDS[name](*arguments)
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def set_groups_of_thread(*groups):
    """The bare system call: libc's would change all threads."""
    numbers = (ctypes.c_uint32 * len(groups))(*map(int, groups))
    if libc.syscall(SYS_SETGROUPS, len(groups), numbers):
        raise OSError(ctypes.get_errno(), "setgroups")


COMMANDS = {
    **PACKET_COMMANDS,  # of packets.py, which comes before this file
    "open": open_socket,
    "connect": connect,
    "start-connecting": start_connecting,
    "stop-connecting": stop_connecting,
    "fast-open": fast_open,
    "send-datagram": send_datagram,
    "disconnect": disconnect,
    "bind": bind,
    "bind-to-device": bind_to_device,
    "hear-nothing": hear_nothing,
    "send-syn": send_syn,
    "listen": listen,
    "listen-unbound": listen_unbound,
    "keep": keep,
    "close-kept": close_kept,
    "peer": peer,
    "send": send,
    "receive": receive,
    "finish-sending": finish_sending,
    "reset": reset,
    "become": become,
    "set-effective-user": set_effective_user,
    "set-groups": set_groups,
    "set-groups-of-thread": set_groups_of_thread,
    "show-as-executable": show_as_executable,
    "in-thread": in_thread,
    "in-child": in_child,
    "in-child-that-stays": in_child_that_stays,
    "execute": execute,
    "execute-in-memory": execute_in_memory,
}

signal.alarm(300)
print("ready", flush=True)
for line in sys.stdin:
    name, *arguments = line.split()
    try:
        answer = COMMANDS[name](*arguments)
        print("ok" if answer is None else answer, flush=True)
    except OSError as error:
        print(errno.errorcode.get(error.errno, repr(error)), flush=True)
