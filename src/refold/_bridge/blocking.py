"""The engine under `Store`: flows run in the caller's thread, writing ones in the group of whoever writes."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TypeVar, cast

from refold._bridge.native import NativeBlockingEngine, no_joining
from refold._bridge.outside import Outside
from refold._bridge.stepping import Flow, run_sync
from refold._bridge.writer import POLL, Writer
from refold.backends.paired import Paired
from refold.errors import StoreClosed
from refold.ports import Backend, Capabilities, Grouping

T = TypeVar("T")


def blocking_engine(backend: Grouping | Backend) -> BlockingEngine | NativeBlockingEngine:
    """The engine for a backend that never suspends.

    Raises:
        UsageError: it is a pair, and its database is not that of its events.
    """
    if isinstance(backend, Paired):
        return NativeBlockingEngine(_paired(backend))
    return BlockingEngine(backend) if isinstance(backend, Grouping) else NativeBlockingEngine(backend)


def _paired(backend: Paired) -> Paired:
    """The pair with its database behind an engine, if it needs one."""
    if isinstance(backend.models, Grouping):
        engine = BlockingEngine(backend.models)
        backend = backend.over(engine.view, engine.closing)
    try:
        run_sync(backend.begin())
    except BaseException:
        run_sync(backend.close())
        raise
    return backend


class BlockingEngine:
    """A blocking backend, shared by any number of threads."""

    def __init__(self, backend: Grouping) -> None:
        self._writer = Writer(backend)
        self._readers: deque[Backend] = deque()
        self._outside = Outside(backend.capabilities, self._reading, self._writing)
        self._opening = threading.Lock()
        self._tenants: dict[str, BlockingEngine] = {}
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        """What the backend gives."""
        return self._writer.backend.capabilities

    @property
    def view(self) -> Backend:
        """The backend, for flows that are handed more than one."""
        return self._outside

    def tenant(self, name: str) -> BlockingEngine:
        """The engine of one tenant: always the same one, closed with this one."""
        with self._opening:
            if name not in self._tenants:
                backend = self.outside(lambda b: b.tenant(name))
                self._tenants[name] = BlockingEngine(cast("Grouping", backend))
            return self._tenants[name]

    def joined(self, connection: object) -> NativeBlockingEngine:
        """Raises `Unsupported`: the transactions are the store's own."""
        raise no_joining(self._writer.backend)

    def wait(self, after: int, seconds: float) -> int:
        """The head, as soon as it is above `after`, or else when the seconds are over.

        A commit of this store wakes it at once; those of other processes are looked for every `POLL` seconds.
        """
        deadline = time.monotonic() + seconds
        while True:
            self._writer.committed.clear()
            head = self.outside(lambda b: b.head())
            left = deadline - time.monotonic()
            if head > after or left <= 0:
                return head
            self._writer.committed.wait(min(left, POLL))

    def inside(self, flow: Flow[T], kind: str, name: str) -> T:
        """Run a deciding flow whole inside a transaction, or outside if its kind has turned out to be slow."""
        if kind in self._writer.slow:
            return self.outside(flow)
        self._check_open()
        return self._writer.run(flow, kind)

    def outside(self, flow: Flow[T]) -> T:
        """Run a flow whose single calls are hops of their own."""
        return run_sync(flow(self._outside))

    async def closing(self) -> None:
        """`close`, as a port spells it."""
        self.close()

    def close(self) -> None:
        """Close every connection. Closing twice is fine."""
        self._closed = True
        for tenant in tuple(self._tenants.values()):
            tenant.close()
        while self._readers:
            run_sync(self._readers.pop().close())
        self._writer.close()

    async def _writing(self, flow: Flow[T], /) -> T:
        self._check_open()
        return self._writer.run(flow)

    async def _reading(self, flow: Flow[T], /) -> T:
        self._check_open()
        self._writer.check_outside()
        reader = self._take_reader()
        if reader is None:
            return self._writer.run(flow, looks=True)
        try:
            return run_sync(flow(reader))
        finally:
            if self._closed:
                run_sync(reader.close())
            else:
                self._readers.append(reader)

    def _take_reader(self) -> Backend | None:
        try:
            return self._readers.pop()
        except IndexError:
            return self._writer.backend.reader()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed
