"""A pooler in transaction mode, as small as can be: each transaction goes to the next of a few server connections."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Final
from urllib.parse import urlsplit, urlunsplit

SERVERS: Final = 3
_STARTUP: Final = 196_608
_END: Final = b"X"
_READY: Final = b"Z"
_SYNC: Final = (b"S", b"Q")


class Server:
    """One connection to the server, past its startup."""

    def __init__(self, address: tuple[str, int], startup: bytes) -> None:
        self.wire = Wire(socket.create_connection(address))
        self.wire.socket.sendall(startup)
        self.hello = b""
        while not self.hello.endswith(_READY + b"\0\0\0\5I"):
            self.hello += b"".join(self.wire.message())


class Wire:
    """Whole messages out of a socket."""

    def __init__(self, of: socket.socket) -> None:
        self.socket = of
        of.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exactly(self, size: int) -> bytes:
        """So many bytes."""
        got = b""
        while len(got) < size:
            more = self.socket.recv(size - len(got))
            if not more:
                raise ConnectionError
            got += more
        return got

    def message(self) -> tuple[bytes, bytes]:
        """One message: its kind, and its length and body."""
        kind, length = self.exactly(1), self.exactly(4)
        return kind, length + self.exactly(struct.unpack("!I", length)[0] - 4)

    def startup(self) -> bytes:
        """The first message of a client, once encryption has been declined."""
        while True:
            length = self.exactly(4)
            body = self.exactly(struct.unpack("!I", length)[0] - 4)
            if struct.unpack("!I", body[:4])[0] == _STARTUP:
                return length + body
            self.socket.sendall(b"N")


class Pooler:
    """Takes clients, and gives each transaction of theirs the server connection whose turn it is."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.used = [0] * SERVERS
        self._address = address
        self._servers: list[Server] = []
        self._free: SimpleQueue[int] = SimpleQueue()
        self._making = threading.Lock()
        self._clients: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self._clients.append(client)
                threading.Thread(target=self._client, args=(Wire(client),), daemon=True).start()

    def _client(self, client: Wire) -> None:
        with suppress(OSError):
            startup = client.startup()
            with self._making:
                if not self._servers:
                    self._servers = [Server(self._address, startup) for _ in range(SERVERS)]
                    for number in range(SERVERS):
                        self._free.put(number)
            client.socket.sendall(self._servers[0].hello)
            while self._transaction(client):
                pass
        client.socket.close()

    def _transaction(self, client: Wire) -> bool:
        """Everything until the server is idle again; False when the client leaves."""
        kind, rest = client.message()
        if kind == _END:
            return False
        number = self._free.get()
        try:
            self.used[number] += 1
            server = self._servers[number].wire
            while True:
                server.socket.sendall(kind + rest)
                if kind in _SYNC and self._answered(server, client) == b"I":
                    return True
                kind, rest = client.message()
        finally:
            self._free.put(number)

    def _answered(self, server: Wire, client: Wire) -> bytes:
        """Carry the answer, and say in which state the server is."""
        while True:
            kind, rest = server.message()
            client.socket.sendall(kind + rest)
            if kind == _READY:
                return rest[-1:]

    def end(self) -> None:
        """Close everything."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for client in self._clients:
            client.close()
        for server in self._servers:
            server.wire.socket.close()


@contextmanager
def pooled(url: str) -> Generator[tuple[str, list[int]]]:
    """The same database by way of a pooler, and how many transactions each of its server connections had."""
    parts = urlsplit(url)
    pooler = Pooler((str(parts.hostname), parts.port or 5432))
    user = f"{parts.username}@" if parts.username else ""
    port: int = pooler.listener.getsockname()[1]
    try:
        yield urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{port}", query="")), pooler.used
    finally:
        pooler.end()
