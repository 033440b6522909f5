# Stands in for the host: answers the secure channel's calls and everything else as the plan in the
# folder says, and notes each request that it got. The plan is read anew for each request.
import json
import os
import socket
import sys
import threading
import time
from email.utils import formatdate

folder = sys.argv[1]
lock = threading.Lock()
connections = 0

OK = "HTTP/1.1 200 OK\r\n"
ANSWERS = {
    "serve": (f"{OK}Content-Length: 2\r\n\r\nok", "stay"),
    "chunked": (f"{OK}Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nT: x\r\n\r\n", "stay"),
    "until the end": (f"{OK}\r\nabcde", "close"),
    "break off": (f"{OK}Content-Length: 10\r\n\r\nabcde", "close"),
    "half a head": (f"{OK}Content-Le", "close"),
    "nothing": ("", "close"),
    "garbage": ("\x16\x03\x01 no HTTP at all\r\n\r\n", "close"),
    "too much": (f"{OK}Content-Length: 2\r\n\r\nok{OK}Content-Length: 5\r\n\r\nother", "stay"),
}


def plan():
    with open(os.path.join(folder, "plan.json")) as file:
        return json.load(file)


def read_request(stream, buffer):
    while b"\r\n\r\n" not in buffer:
        piece = stream.recv(65536)
        if not piece:
            return None, b""
        buffer += piece
    head, buffer = buffer.split(b"\r\n\r\n", 1)
    request, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    length = int(headers.get("content-length", 0))
    while len(buffer) < length:
        buffer += stream.recv(65536)
    return (request.split(" "), headers, buffer[:length]), buffer[length:]


def note(connection, request):
    (method, target, _), headers, body = request
    authorization = headers.get("x-ms-azure-host-authorization", "").split(" ")
    seen = {
        "connection": connection,
        "method": method,
        "target": target,
        "body": body.decode("latin-1"),
        "key": authorization[1] if len(authorization) == 3 else None,
        "date": headers.get("x-ms-azure-host-date"),
    }
    with lock, open(os.path.join(folder, "seen.jsonl"), "a") as file:
        file.write(json.dumps(seen) + "\n")


def answer(request, used):
    (_, target, _), _, _ = request
    planned = plan()
    date = formatdate(time.time() + planned["clockSeconds"], usegmt=True)
    name = {"/secure-channel/status": "status", "/secure-channel/key": "key"}.get(target)
    if name is not None:
        status, body = planned[name]["status"], json.dumps(planned[name]["body"])
        head = f"HTTP/1.1 {status} X\r\nx-ms-azure-host-date: {date}\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n{body}", "stay"
    if planned["requests"] == "close when idle":
        return ANSWERS["nothing" if used else "serve"]
    return ANSWERS[planned["requests"]]


def serve(stream):
    global connections
    with lock:
        connections, connection = connections + 1, connections
    buffer, used = b"", False
    with stream:
        while True:
            request, buffer = read_request(stream, buffer)
            if request is None:
                return
            note(connection, request)
            text, end = answer(request, used)
            used = True
            stream.sendall(text.encode("latin-1"))
            if end == "close":
                return


def listen(address):
    listener = socket.create_server((address, 80), backlog=128)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


for address in ["169.254.169.254", "168.63.129.16"]:
    threading.Thread(target=listen, args=(address,), daemon=True).start()
print("listening", flush=True)
threading.Event().wait()
