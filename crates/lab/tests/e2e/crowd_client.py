# Opens so many connections and says so; when the file that is named exists, asks over each of them,
# with a marker of its own in the query, and prints the statuses by marker.
import asyncio
import json
import os
import sys

label, count, go, target = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]


async def ask(marker, stream):
    reader, writer = stream
    head = f"GET {target}&marker={marker} HTTP/1.1\r\nHost: 169.254.169.254\r\n"
    writer.write(f"{head}Metadata: true\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return marker, answer.split(b" ", 2)[1].decode()


async def main():
    connect = [asyncio.open_connection("169.254.169.254", 80) for _ in range(count)]
    streams = await asyncio.gather(*connect)
    print("open", os.getpid(), flush=True)
    while not os.path.exists(go):
        await asyncio.sleep(0.01)
    asked = [ask(f"{label}-{number}", stream) for number, stream in enumerate(streams)]
    print("answers:", json.dumps(dict(await asyncio.gather(*asked))), flush=True)


asyncio.run(main())
