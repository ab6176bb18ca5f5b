"""A port of this machine behind which something carries to another port, for as long as it is let."""

from __future__ import annotations

import select
import socket
import threading

SIZE = 1 << 16


class Carrier:
    """Stands before a port. What is done with a connection is for `_carry`, which ends soon after `_ending` is set."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        """Where it listens."""
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
            if ready(self._listener):
                client, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._carry, args=(client,)))
                self._threads[-1].start()

    def _carry(self, client: socket.socket) -> None:
        """One connection, to its end."""
        raise NotImplementedError


def ready(*sockets: socket.socket) -> list[socket.socket]:
    """Those that have something to say, after a short while none."""
    found, _, _ = select.select(sockets, [], [], 0.05)
    return found
