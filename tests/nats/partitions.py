"""A cluster whose servers reach each other through this process, so that one of them can be cut off from the others."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from refold.testing.nats import NatsNode, nats_cluster

_SIZE: Final = 1 << 16


class Way:
    """From one server to another: it carries, or it is cut, and then whatever is connected is gone and nothing connects."""

    def __init__(self, ends: tuple[int, int], port: int) -> None:
        self.ends, self.is_cut = ends, False
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        """Where the first one finds it."""
        port: int = self._listener.getsockname()[1]
        return port

    def end(self) -> None:
        """Carry nothing any more."""
        self._ending.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._ending.is_set():
            if _ready(self._listener):
                client, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._carry, args=(client,)))
                self._threads[-1].start()

    def _carry(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self._to)) as server:
            other = {client: server, server: client}
            while not self._ending.is_set() and not self.is_cut:
                for side in _ready(client, server):
                    told = side.recv(_SIZE)
                    if not told:
                        return
                    other[side].sendall(told)


class Partitioned:
    """The servers and the ways between them."""

    def __init__(self, nodes: Sequence[NatsNode], ways: Sequence[Way]) -> None:
        self.nodes, self._ways = nodes, ways

    def cut_off(self, name: str) -> None:
        """From now on that server reaches no other, and no other reaches it; its clients do."""
        number = next(n for n, node in enumerate(self.nodes) if node.name == name)
        for way in self._ways:
            way.is_cut = way.is_cut or number in way.ends

    def heal(self) -> None:
        """All reach all again."""
        for way in self._ways:
            way.is_cut = False


def _ready(*sockets: socket.socket) -> Sequence[socket.socket]:
    ready, _, _ = select.select(sockets, [], [], 0.05)
    return ready


@contextmanager
def partitioned() -> Generator[Partitioned]:
    """Three servers, all in reach."""
    ways: list[Way] = []

    def between(one: int, other: int, port: int) -> int:
        ways.append(Way((one, other), port))
        return ways[-1].port

    try:
        with nats_cluster(between=between) as nodes:
            yield Partitioned(nodes, ways)
    finally:
        for way in ways:
            way.end()
