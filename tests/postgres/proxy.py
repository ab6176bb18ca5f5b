"""A TCP proxy that cuts connections while a request is under way: before the server has it, after, or in mid-answer."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, suppress
from random import Random
from typing import Final, Literal, TypeAlias

from tests.faults.carrying import SIZE, Carrier, ready

Cut: TypeAlias = Literal["before", "after", "answer", "half"]
CUTS: Final[tuple[Cut, ...]] = ("before", "after", "answer", "half")
"""What the server got and the client heard: nothing; all, nothing; all and it has done it, nothing; all, half of the answer."""
REQUESTS: Final = (b"P", b"B", b"E", b"Q")
"""What a client's message begins with when it asks for something."""


class Proxy(Carrier):
    """Stands before a server. `rate`: which share of requests is cut; 0 to begin with."""

    def __init__(self, server: int, seed: int) -> None:
        self.rate = 0.0
        self.cuts: Counter[Cut] = Counter()
        self._random = Random(seed)  # noqa: S311 - the same each time for a seed
        super().__init__(server)

    def _carry(self, client: socket.socket) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._to)) as server:
            with suppress(OSError):
                self._between(client, server)
            _reset(server)
        _reset(client)

    def _between(self, client: socket.socket, server: socket.socket) -> None:
        """Both ways, until one side closes, or a request is chosen to be cut."""
        while not self._ending.is_set():
            heard = ready(client, server)
            if server in heard:
                answer = server.recv(SIZE)
                client.sendall(answer)
                if not answer:
                    return
            if client in heard:
                request = client.recv(SIZE)
                if self.asks(request) and self._random.random() < self.rate:
                    self._cut(request, client, server)
                    return
                server.sendall(request)
                if not request:
                    return

    def asks(self, request: bytes) -> bool:
        """Whether it is one of those that may be cut."""
        return request.startswith(REQUESTS)

    def _cut(self, request: bytes, client: socket.socket, server: socket.socket) -> None:
        cut = self._random.choice(CUTS)
        self.cuts[cut] += 1
        if cut == "before":
            return
        server.sendall(request)
        if cut == "after":
            return
        answer = server.recv(SIZE)
        if cut == "half":
            client.sendall(answer[: len(answer) // 2])


def _reset(side: socket.socket) -> None:
    """It hears at once that the other is gone, with nothing more to be read."""
    with suppress(OSError):
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    side.close()


@contextmanager
def proxied(server: int, seed: int) -> Generator[Proxy]:
    """A proxy before the server at a port."""
    proxy = Proxy(server, seed)
    try:
        yield proxy
    finally:
        proxy.end()
