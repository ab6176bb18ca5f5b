"""A cluster whose servers reach each other through this process, so that one of them can be cut off from the others."""

from __future__ import annotations

import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress

from tests.faults.carrying import SIZE, Carrier, ready

from refold.testing.nats import NatsNode, nats_cluster


class Way(Carrier):
    """From one server to another: it carries, or it is cut, and then whatever is connected is gone and nothing connects."""

    def __init__(self, ends: tuple[int, int], port: int) -> None:
        self.ends, self.is_cut = ends, False
        super().__init__(port)

    def _carry(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self._to)) as server:
            other = {client: server, server: client}
            while not self._ending.is_set() and not self.is_cut:
                for side in ready(client, server):
                    told = side.recv(SIZE)
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
