# Makes packets by hand, for sockets that send them as they are: raw ones and packet ones.
# A packet is described by words such as `via=frame port=53`; what is not said is a SYN over IPv4.
import ipaddress
import socket
import struct
import subprocess

IPV6_HDRINCL = 36
PACKET_QDISC_BYPASS = 20
SOL_PACKET = 263
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "udplite": 136, "sctp": 132, "dccp": 33}
FLAGS = {"syn": 0x02, "ack": 0x10, "rst": 0x04, "fin": 0x11}
frames = None
held = []


def transport(words):
    payload = words.get("payload", "").encode()
    protocol = words.get("proto", "tcp")
    ports = struct.pack("!HH", 40000, int(words.get("port", "80")))
    if protocol == "tcp":
        flags = FLAGS[words.get("flags", "syn")]
        return ports + struct.pack("!IIBBHHH", 1, 1, 5 << 4, flags, 1024, 0, 0) + payload
    if protocol == "icmp":
        return struct.pack("!BBHHH", 8, 0, 0, 1, 80) + payload
    return ports + struct.pack("!HH", 8 + len(payload), 0) + payload


def ipv4(words):
    # `fragment=OFFSET` in units of eight bytes, with a `+` when more follow; `cut=N` keeps N bytes.
    fragment = words.get("fragment", "0")
    offset = int(fragment.rstrip("+")) | (0x2000 if fragment.endswith("+") else 0)
    body = transport(words)[: int(words.get("cut", "2000"))]
    options = b"\x01" * int(words.get("options", "0"))
    header = struct.pack(
        "!BBHHHBBH4s4s",
        4 << 4 | (5 + len(options) // 4),
        0,
        20 + len(options) + len(body),
        1,
        offset,
        64,
        PROTOCOLS[words.get("proto", "tcp")],
        0,
        ipaddress.ip_address(words.get("source", "198.51.100.1")).packed,
        ipaddress.ip_address(words["to"]).packed,
    )
    total = sum(struct.unpack("!%dH" % ((20 + len(options)) // 2), header + options))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)
    return header[:10] + checksum + header[12:] + options + body


def ipv6(words):
    # `headers=0,60,44+` are extension headers in their order; `44+` is a first fragment.
    body = transport(words)[: int(words.get("cut", "2000"))]
    following = PROTOCOLS[words.get("proto", "tcp")]
    for header in reversed(words.get("headers", "").split(",")):
        if header.startswith("44"):
            later, _, more = header[3:].partition("+") if ":" in header else ("0", "", header[2:])
            offset = int(later) << 3 | (1 if header.endswith("+") else 0)
            body = struct.pack("!BBHI", following, 0, offset, 1) + body
            following = 44
        elif header:
            body = struct.pack("!BB6x", following, 0) + body
            following = int(header)
    if "keep" in words:
        body = body[: int(words["keep"])]
    return (
        struct.pack("!IHBB", 6 << 28, len(body), following, 64)
        + ipaddress.ip_address(words.get("source", "::1")).packed
        + ipaddress.ip_address(words["to"]).packed
        + body
    )


def ip(words):
    return ipv6(words) if ":" in words["to"] else ipv4(words)


def link_header(words):
    kind = int(words.get("type", "86dd" if ":" in words["to"] else "0800"), 16)
    tags = b""
    for tag in filter(None, words.get("tags", "").split(",")):
        protocol, _, number = tag.partition(":")
        tags += struct.pack("!HH", int(protocol, 16), int(number))
    last = struct.pack("!H", kind)
    if "snap" in words:
        last = struct.pack("!H", 64) + b"\xaa\xaa\x03\0\0\0" + last
    return b"\xff" * 6 + b"\x02\0\0\0\0\1" + tags + last


def send_packet(*arguments):
    words = dict(word.split("=", 1) for word in arguments)
    via = words["via"]
    if via == "raw":
        six = ":" in words["to"]
        protocol = PROTOCOLS[words.get("proto", "tcp")]
        with socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, protocol) as sock:
            sock.sendto(transport(words), (words["to"], 0))
        return
    if via == "header":
        family = socket.AF_INET6 if ":" in words["to"] else socket.AF_INET
        with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
            for _ in range(int(words.get("times", "1"))):
                sock.sendto(ip(words), (words["to"], 0))
        return
    device = words.get("device", "up0")
    claimed = int(words.get("claims", "0800"), 16)
    kind = socket.SOCK_DGRAM if via == "datagram" else socket.SOCK_RAW
    with socket.socket(socket.AF_PACKET, kind, 0) as sock:
        if "bypass" in words:
            sock.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        packet = ip(words) if via in ("datagram", "packet") else link_header(words) + ip(words)
        sock.sendto(packet, (device, claimed, 0, 0, b"\xff" * 6))


def shell(*arguments):
    done = subprocess.run(["sh", "-e", "-c", " ".join(arguments)], capture_output=True, text=True)
    return done.stderr.replace("\n", "; ") or None if done.returncode else None


def hear_frames(device):
    global frames
    frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    frames.bind((device, 0))
    frames.settimeout(10)


def next_packet(address):
    """Returns protocol and destination port of the next packet to an address."""
    wanted = ipaddress.ip_address(address).packed
    while True:
        frame, sender = frames.recvfrom(65536)
        if sender[2] == socket.PACKET_OUTGOING or frame[12:14] == b"\x08\x06":
            continue  # an answer, or ARP
        at = frame.find(wanted, 14)
        if at >= 0:
            rest = frame[at + len(wanted) :]
            protocol = frame[at - 7] if len(wanted) == 4 else frame[at - 18]
            names = {number: name for name, number in PROTOCOLS.items()}
            return "%s %d" % (names.get(protocol, protocol), struct.unpack("!HH", rest[:4])[1])


def open_tun(name):
    import fcntl

    tun = open("/dev/net/tun", "r+b", buffering=0)
    fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1001))  # IFF_TUN | IFF_NO_PI
    held.append(tun)


PACKET_COMMANDS = {
    "send-packet": send_packet,
    "shell": shell,
    "hear-frames": hear_frames,
    "next-packet": next_packet,
    "open-tun": open_tun,
}
