# Does what owners of other eBPF programs, or somebody who attacks ours, do with bpf(2): one command
# from its arguments, or one per line on stdin with one answer per line on stdout.
import ctypes
import errno
import os
import platform
import socket
import struct
import sys

SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
PROG_LOAD, OBJ_GET, PROG_ATTACH, LINK_CREATE, LINK_UPDATE, LINK_DETACH = 5, 7, 8, 28, 29, 34
CGROUP_SKB, SOCK_ADDR = 8, 18
# name: (program type, attach type)
HOOKS = {"connect4": (SOCK_ADDR, 10), "connect6": (SOCK_ADDR, 11), "egress": (CGROUP_SKB, 1)}
SHARING = {"exclusive": 0, "override": 1, "multi": 2}
libc = ctypes.CDLL(None, use_errno=True)
held = []


def bpf(command, layout, *values):
    attributes = ctypes.create_string_buffer(struct.pack(layout, *values).ljust(128, b"\0"))
    result = libc.syscall(SYS_BPF, command, attributes, len(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), "bpf")
    return result


def instruction(code, registers=0, offset=0, value=0):
    return struct.pack("<BBhi", code, registers, offset, value)


def load_immediate(register, value):
    return instruction(0xB4, register, 0, value)


def store_in_context(register, offset):
    return instruction(0x63, 1 | register << 4, offset)


def rewrite(address, port):
    (address,) = struct.unpack("<i", socket.inet_aton(address))
    return (
        load_immediate(2, address)
        + store_in_context(2, 4)
        + load_immediate(2, socket.htons(int(port)))
        + store_in_context(2, 24)
    )


def load(hook, does, *arguments):
    """Loads a program that does `allow`, `deny` or `rewrite ADDRESS PORT`."""
    kind, attach_type = HOOKS[hook]
    body = rewrite(*arguments) if does == "rewrite" else b""
    code = body + load_immediate(0, does != "deny") + instruction(0x95)
    buffer = ctypes.create_string_buffer(code, len(code))
    licence = ctypes.create_string_buffer(b"GPL")
    return bpf(
        PROG_LOAD,
        "=IIQQIIQII16sII",
        *(kind, len(code) // 8, ctypes.addressof(buffer), ctypes.addressof(licence)),
        *(0, 0, 0, 0, 0, ("stranger_" + does)[:15].encode(), 0, attach_type),
    )


def open_pin(path):
    text = ctypes.create_string_buffer(path.encode())
    return bpf(OBJ_GET, "=QII", ctypes.addressof(text), 0, 0)


def attach(cgroup, hook, *program):
    """Attaches by a link, which ends with this process."""
    directory = os.open(cgroup, os.O_RDONLY)
    held.append(bpf(LINK_CREATE, "=IIII", load(hook, *program), directory, HOOKS[hook][1], 0))


def attach_without_link(sharing, cgroup, hook, *program):
    directory = os.open(cgroup, os.O_RDONLY)
    program = load(hook, *program)
    bpf(PROG_ATTACH, "=IIII", directory, program, HOOKS[hook][1], SHARING[sharing])


def detach(pin):
    bpf(LINK_DETACH, "=I", open_pin(pin))


def exchange(pin, hook, *program):
    bpf(LINK_UPDATE, "=IIII", open_pin(pin), load(hook, *program), 0, 0)


COMMANDS = {
    "attach": attach,
    "attach-without-link": attach_without_link,
    "detach": detach,
    "exchange": exchange,
}


def answer(name, *arguments):
    try:
        COMMANDS[name](*arguments)
        return "ok"
    except OSError as error:
        return errno.errorcode.get(error.errno, repr(error))


if len(sys.argv) > 1:
    sys.exit(None if (said := answer(*sys.argv[1:])) == "ok" else said)
for line in sys.stdin:
    print(answer(*line.split()), flush=True)
