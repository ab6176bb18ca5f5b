"""The way from threads to the connection: it lives in an event loop of its own, in one daemon thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import CancelledError
from typing import Any, Final, TypeVar

from refold.backends.nats.backend import NatsBackend, opened_awaiting
from refold.backends.nats.location import location_at
from refold.errors import StoreClosed
from refold.ports import (
    Append,
    AppendResult,
    Backend,
    Capabilities,
    Damage,
    Outcome,
    Own,
    Rows,
    Selection,
    Stats,
    StreamInfo,
    Within,
)
from refold.projection import Statement
from refold.rows import Payload, Row

T = TypeVar("T")

TELLINGS: Final = 5
"""How often a task is told to end, before it is left."""


class Portal:
    """An event loop in a thread, to which other threads hand calls."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="refold-nats", daemon=True)
        self._thread.start()
        self._door, self._is_closed = threading.Lock(), False

    def call(self, steps: Coroutine[Any, Any, T]) -> T:
        """Run it there, and wait. Raises what it raises, or `StoreClosed`."""
        with self._door:  # nothing comes in behind the end, where nobody would answer it
            if self._is_closed:
                steps.close()
                raise StoreClosed
            future = asyncio.run_coroutine_threadsafe(steps, self._loop)
        try:
            return future.result()
        except CancelledError:  # by who closed it
            raise StoreClosed from None
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the thread; calls that are under way end with `StoreClosed`. Closing twice is fine."""
        with self._door:
            if self._is_closed:
                return
            self._is_closed = True
            settled = asyncio.run_coroutine_threadsafe(_settled(), self._loop)
        settled.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _settled() -> None:
    """Let sockets that were closed go, and tasks end that nobody waits for any more.

    The client loses a cancellation now and then (`except CancelledError: pass`), and then tries for ever to connect: so it is
    told again, and in the end left.
    """
    for _ in range(TELLINGS):
        if not (others := asyncio.all_tasks() - {asyncio.current_task()}):
            break
        for task in others:
            task.cancel()
        await asyncio.wait(others, timeout=0.2)
    await asyncio.sleep(0)


class BlockingNats:
    """The store for threads: each call blocks the thread that makes it, and those of many threads share the connection."""

    def __init__(self, portal: Portal, backend: NatsBackend, *, lent: bool = False) -> None:
        self._portal, self._backend, self._lent = portal, backend, lent

    @property
    def capabilities(self) -> Capabilities:
        return self._backend.capabilities

    async def append(self, append: Append) -> AppendResult:
        return self._portal.call(self._backend.append(append))

    async def append_in_turn(self, appends: Sequence[Append], head: int) -> int | None:
        return self._portal.call(self._backend.append_in_turn(appends, head))

    async def read(self, selection: Selection) -> Sequence[Row]:
        return self._portal.call(self._backend.read(selection))

    async def payloads(self, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        return self._portal.call(self._backend.payloads(stream, after, until))

    async def find(self, ids: Sequence[bytes]) -> Sequence[Row]:
        return self._portal.call(self._backend.find(ids))

    async def head(self) -> int:
        return self._portal.call(self._backend.head())

    async def wait(self, after: int, seconds: float) -> int:
        return self._portal.call(self._backend.wait(after, seconds))

    async def version(self, stream: str) -> int:
        return self._portal.call(self._backend.version(stream))

    async def request(self, key: str) -> Outcome | None:
        return self._portal.call(self._backend.request(key))

    async def streams(self, after: str, prefix: str, limit: int) -> Sequence[StreamInfo]:
        return self._portal.call(self._backend.streams(after, prefix, limit))

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        return self._portal.call(self._backend.work(steps))

    async def within(self, flow: Within[T]) -> T:
        return self._portal.call(self._backend.within(flow))

    async def query(self, statement: Own | Statement) -> Rows:
        return self._portal.call(self._backend.query(statement))

    async def stats(self) -> Stats:
        return self._portal.call(self._backend.stats())

    async def verify(self, after: int, limit: int) -> Sequence[Damage]:
        return self._portal.call(self._backend.verify(after, limit))

    async def tenant(self, name: str) -> Backend:
        return BlockingNats(self._portal, self._portal.call(self._backend.tenant(name)), lent=True)

    async def close(self) -> None:
        if self._lent:
            return
        try:
            self._portal.call(self._backend.close())
        except StoreClosed:
            return
        self._portal.close()


def opened_blocking(url: str) -> BlockingNats:
    """The store at a URL, for threads."""
    location_at(url)  # so that a bad URL starts no thread
    portal = Portal()
    try:
        return BlockingNats(portal, portal.call(opened_awaiting(url)))
    except BaseException:
        portal.close()
        raise
