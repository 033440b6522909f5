# Makes the exchanges that standard input lists, one after the other, each over a connection of its
# own; prints for each what came back, in hexadecimal digits, and how the connection ended.
import json
import socket
import sys
import time


def make(exchange):
    stream = socket.create_connection((exchange["address"], exchange["port"]), 20)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    received = b""
    try:
        for piece in exchange["pieces"]:
            stream.sendall(bytes.fromhex(piece))
            time.sleep(exchange["pauseMs"] / 1000)
        for piece in exchange["replies"]:
            received += stream.recv(65536)
            stream.sendall(bytes.fromhex(piece))
        if exchange["isCut"]:
            stream.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # It is closed already: what was said before is there to be read.
    while True:
        try:
            piece = stream.recv(65536)
        except TimeoutError:
            return received, "open"
        except OSError:
            return received, "reset"
        if not piece:
            return received, "closed"
        received += piece


results = []
for exchange in json.load(sys.stdin):
    received, end = make(exchange)
    results.append({"received": received.hex(), "end": end})
print(json.dumps(results))
