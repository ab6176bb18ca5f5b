"""The engine under `AsyncStore` on a blocking backend: one thread writes, one reads, and each flow is one hop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

from refold._bridge.native import NativeAwaitingEngine, no_joining
from refold._bridge.outside import Outside
from refold._bridge.stepping import Flow, run_sync
from refold._bridge.writer import POLL, Job, Writer, wrote
from refold.backends.paired import Paired
from refold.errors import StoreClosed
from refold.ports import Backend, Capabilities, Grouping

T = TypeVar("T")


async def awaiting_engine(backend: Grouping | Backend) -> AwaitingEngine | NativeAwaitingEngine:
    """The engine for a backend, in the running event loop.

    Raises:
        UsageError: it is a pair, and its database is not that of its events.
    """
    if isinstance(backend, Paired):
        return NativeAwaitingEngine(await _paired(backend))
    if isinstance(backend, Grouping):
        return AwaitingEngine(backend, asyncio.get_running_loop())
    return NativeAwaitingEngine(backend)


async def _paired(backend: Paired) -> Paired:
    """The pair with its database behind an engine, if it needs one."""
    if isinstance(backend.models, Grouping):
        engine = AwaitingEngine(backend.models, asyncio.get_running_loop())
        backend = backend.over(engine.view, engine.close)
    try:
        await backend.begin()
    except BaseException:
        await backend.close()
        raise
    return backend


class Thread:
    """A thread that does `work` whenever it is woken, until it is stopped."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self._work = work
        self._awake = threading.Event()
        self._stopping = self.is_woken = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        self.is_woken = False
        self._awake.set()

    def stop(self) -> None:
        """Do what is left, and end."""
        self._stopping = True
        self._awake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            self._awake.wait()
            self._awake.clear()
            self._work()
        self._work()  # what came in while it did the rest


class AwaitingEngine:
    """A blocking backend, shared by any number of tasks of one event loop.

    A task that is cancelled while its flow waits in line wrote nothing; once the flow runs, its outcome stands.
    """

    def __init__(self, backend: Grouping, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._writer = Writer(backend, self._committed)
        self._commit: asyncio.Future[None] = loop.create_future()
        self._reader: Backend | None = None
        self._reads: deque[Job[Any]] = deque()
        self._outside = Outside(backend.capabilities, self._reading, self._writing)
        self._threads = (Thread("refold-writer", self._writer.run_waiting), Thread("refold-reader", self._read_waiting))
        self._opening = asyncio.Lock()
        self._tenants: dict[str, AwaitingEngine] = {}
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        """What the backend gives."""
        return self._writer.backend.capabilities

    @property
    def view(self) -> Backend:
        """The backend, for flows that are handed more than one."""
        return self._outside

    async def tenant(self, name: str) -> AwaitingEngine:
        """The engine of one tenant: always the same one, closed with this one."""
        async with self._opening:
            if name not in self._tenants:
                backend = await self.outside(lambda b: b.tenant(name))
                self._tenants[name] = AwaitingEngine(cast("Grouping", backend), self._loop)
            return self._tenants[name]

    def joined(self, connection: object) -> NativeAwaitingEngine:
        """Raises `Unsupported`: the transactions are the store's own."""
        raise no_joining(self._writer.backend)

    async def wait(self, after: int, seconds: float) -> int:
        """The head, as soon as it is above `after`, or else when the seconds are over.

        A commit of this store wakes it at once; those of other processes are looked for every `POLL` seconds.
        """
        deadline = self._loop.time() + seconds
        while True:
            commit = self._commit
            head = await self.outside(lambda b: b.head())
            left = deadline - self._loop.time()
            if head > after or left <= 0:
                return head
            await asyncio.wait({commit}, timeout=min(left, POLL))

    async def inside(self, flow: Flow[T], kind: str, name: str) -> T:
        """Run a deciding flow whole inside a transaction, or outside if its kind has turned out to be slow."""
        if kind in self._writer.slow:
            return await self.outside(flow)
        return await self._hop(self._writer.submit, self._threads[0], flow, kind)

    async def outside(self, flow: Flow[T]) -> T:
        """Run a flow whose single calls are hops of their own."""
        return await flow(self._outside)

    async def close(self) -> None:
        """Do what waits, then close every connection. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            for tenant in tuple(self._tenants.values()):
                await tenant.close()
            await self._loop.run_in_executor(None, self._shut)

    def _shut(self) -> None:
        for thread in self._threads:
            thread.stop()
        if self._reader is not None:
            run_sync(self._reader.close())
        self._writer.close()

    async def _writing(self, flow: Flow[T], /) -> T:
        return await self._hop(self._writer.submit, self._threads[0], flow, "")

    async def _reading(self, flow: Flow[T], /) -> T:
        return await self._hop(self._reads.append, self._threads[1], flow, "")

    async def _hop(self, line_up: Callable[[Job[T]], None], thread: Thread, flow: Flow[T], kind: str) -> T:
        if self._closed:
            raise StoreClosed
        future: asyncio.Future[T] = self._loop.create_future()
        job = Job(flow, kind, future)
        line_up(job)
        if not thread.is_woken:
            thread.is_woken = True
            self._loop.call_soon(thread.wake)
        try:
            return await future
        except asyncio.CancelledError:
            job.abandoned = True
            raise

    def _tell(self, jobs: list[Job[Any]]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(_deliver, jobs)

    def _committed(self, group: list[Job[Any]]) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deliver_commit, group)

    def _deliver_commit(self, group: list[Job[Any]]) -> None:
        _deliver(group)
        if wrote(group):
            self._commit.set_result(None)
            self._commit = self._loop.create_future()

    def _read_waiting(self) -> None:
        while self._reads:
            job = self._reads.popleft()
            if not job.abandoned:
                self._read(job)

    def _read(self, job: Job[Any]) -> None:
        try:
            self._reader = self._reader or self._writer.backend.reader()
            job.result = run_sync(job.flow(self._reader)) if self._reader else self._writer.run(job.flow, looks=True)
        except Exception as error:  # noqa: BLE001 - told to its own caller, whatever it is
            job.error = error
        self._tell([job])


def _deliver(jobs: list[Job[Any]]) -> None:
    for job in jobs:
        if job.future is None or job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
