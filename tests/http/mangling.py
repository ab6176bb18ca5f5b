"""Requests that are broken byte by byte, and thrown at a server over connections that are half closed."""

from __future__ import annotations

import asyncio
import json
import random

from tests.http.conftest import added, stone

GOOD = b"POST /streams/stone-1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


def mangled(chance: random.Random) -> bytes:
    """A request of which some bytes are other ones, gone, or doubled."""
    body = json.dumps({"events": [added(), stone(1)]}).encode()
    request = bytearray(GOOD % (len(body), body))
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(request))
        match chance.randrange(4):
            case 0:
                request[place] = chance.randrange(256)
            case 1:
                del request[place : place + chance.randint(1, 20)]
            case 2:
                request[place:place] = request[: chance.randint(1, 40)]
            case _:
                request[place:place] = bytes(chance.randrange(256) for _ in range(5))
        if not request:
            break
    return bytes(request)


async def throw(host: str, port: int, request: bytes) -> bytes:
    """Send bytes, and hear at most the first line of what comes back."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        writer.write_eof()
        async with asyncio.timeout(30):
            return await reader.readline()
    except ConnectionError:
        return b""
    finally:
        writer.close()
