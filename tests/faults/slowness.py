"""Consumers that take one event a second: a subscriber in a process of its own, a client of a server; and what they cost."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Final, Self
from urllib.parse import urlsplit

import psycopg
from tests.faults.processes import Process, tell, until

from refold import RawEvent, Store
from refold.http.serving import Place, serve

PACE: Final = 1.0
"""Seconds from one event to the next."""
AT_ONCE: Final = 50
"""How many events are appended at once: whoever appends holds these for a moment, too."""


def grown(url: str, events: int, size: int) -> Mapping[str, int]:
    """How many bytes more each of them holds when so many events of this size were appended."""
    with Store.open(url, events=[RawEvent]) as store:
        append(store, 10, size)
        with Slow(url) as slow:
            until("both have begun", lambda: min(slow.taken) > 0)
            before = slow.costs()
            append(store, events, size)
            assert store.head() == events + 10
            seen = slow.taken
            until("both go on", lambda: min(slow.taken) > max(seen) + 1)
            after, taken = slow.costs(), slow.taken
    assert max(taken) < events
    return {who: max(0, after[who] - before[who]) for who in after}


def append(store: Store, count: int, size: int) -> None:
    body = {"text": "x" * size}
    for done in range(0, count, AT_ONCE):
        store.append(f"stone-{done}", [RawEvent("stone", body)] * min(AT_ONCE, count - done))


def held(pids: Iterable[int]) -> int:
    """The bytes that processes hold for themselves: not what they share, nor files that are mapped or cached."""
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
    lines = [line.split() for text in texts for line in text.splitlines() if line.startswith("RssAnon:")]
    return sum(int(line[1]) * 1_024 for line in lines)


def sessions(url: str) -> Sequence[int]:
    """The processes of PostgreSQL that serve this database; none, for another store."""
    if not url.startswith("postgresql"):
        return ()
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(
            "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
        return [int(pid) for (pid,) in rows]


class Slow:
    """Both consumers, for the time of a block."""

    def __init__(self, url: str) -> None:
        self._url, self._closed = url, Event()
        self.lines = 0
        self.subscriber, self.server = Process(take, url=url), Process(serve_http, url=url)

    def __enter__(self) -> Self:
        until("the server answers", lambda: self.server.has_told("http"))
        self._thread = Thread(target=self._read, args=(self.server.told[0],), daemon=True)
        self._thread.start()
        return self

    def _read(self, url: str) -> None:
        """Line by line, with a small window, as who sits behind a thin wire."""
        place = urlsplit(url)
        with socket.socket() as wire:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            wire.connect((place.hostname, place.port))
            wire.sendall(b"GET /follow HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/x-ndjson\r\n\r\n")
            lines = wire.makefile("rb", buffering=1_024)
            for line in lines:
                if line.startswith(b"{"):
                    self.lines += 1
                    if self._closed.wait(PACE):
                        return

    @property
    def taken(self) -> Sequence[int]:
        """How many events each has taken: the subscriber, and the client."""
        return len(self.subscriber.told), self.lines

    def costs(self) -> Mapping[str, int]:
        """Bytes, by who holds them."""
        self.subscriber.check()
        self.server.check()
        store, server = held([self.subscriber.pid]), held([self.server.pid])
        return {"subscriber": store, "server": server, "sessions": held(sessions(self._url))}

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self.subscriber.kill()
        self.server.kill()
        self._thread.join()


# Roles -------------------------------------------------------------------------


def take(url: str) -> None:
    """Take one event a second, for ever."""
    with Store.open(url, events=[RawEvent]) as store, store.subscribe(after=0) as events:
        for event in events:
            tell(event.position)
            time.sleep(PACE)


def serve_http(url: str) -> None:
    """Serve the store, and tell where."""
    asyncio.run(serve(url, Place("127.0.0.1", 0), told=tell))
