"""Network: the store and the world outside as a process reaches them, each call of which may fail in every way."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from refold._bridge.stepping import run_sync
from refold.errors import OutcomeUnknown, StoreBusy
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
)  # fmt: skip
from refold.projection import Statement
from refold.rows import Payload, Row
from refold.testing.simulation.decisions import Kind
from refold.testing.simulation.world import Died, Life

T = TypeVar("T")


async def befallen(life: Life, what: str, kind: Kind, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Do it, unless something else befalls it: one whole call, since nobody else goes on while it is done."""
    fate = await life.asks(what, kind)
    match fate:
        case "die before":
            raise Died
        case "busy":
            raise StoreBusy("simulated: the store is busy")
        case "unknown and not done":
            raise OutcomeUnknown("simulated: no answer came")
        case "away":
            raise ConnectionError("simulated: nobody answers")
        case _:
            done = await call()
    match fate:
        case "die after":
            raise Died
        case "unknown and done":
            raise OutcomeUnknown("simulated: no answer came")
        case "silent":
            raise ConnectionError("simulated: no answer came")
        case _:
            return done


class SimulatedStore:
    """A backend as one process reaches it. `changed` is told after each call that may have changed something."""

    def __init__(self, backend: Backend, life: Life, changed: Callable[[], None]) -> None:
        self._backend, self._life, self._changed = backend, life, changed

    @property
    def capabilities(self) -> Capabilities:
        return self._backend.capabilities

    async def append(self, append: Append) -> AppendResult:
        streams = ", ".join(write.stream for write in append.writes)
        return await self._change(f"append to {streams or 'nothing'}", lambda: self._backend.append(append))

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        return await self._change("write rows", lambda: self._backend.work(steps))

    async def within(self, flow: Within[T]) -> T:
        return await self._change("do all of a transaction", lambda: self._backend.within(flow))

    async def read(self, selection: Selection) -> Sequence[Row]:
        return await self._look("read events", lambda: self._backend.read(selection))

    async def payloads(self, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        return await self._look(f"read {stream}", lambda: self._backend.payloads(stream, after, until))

    async def find(self, ids: Sequence[bytes]) -> Sequence[Row]:
        return await self._look("find events", lambda: self._backend.find(ids))

    async def head(self) -> int:
        return await self._look("read the head", self._backend.head)

    async def version(self, stream: str) -> int:
        return await self._look(f"read the version of {stream}", lambda: self._backend.version(stream))

    async def request(self, key: str) -> Outcome | None:
        return await self._look(f"look up {key}", lambda: self._backend.request(key))

    async def streams(self, after: str, prefix: str, limit: int) -> Sequence[StreamInfo]:
        return await self._look("list streams", lambda: self._backend.streams(after, prefix, limit))

    async def query(self, statement: Own | Statement) -> Rows:
        return await self._look("query", lambda: self._backend.query(statement))

    async def stats(self) -> Stats:
        return await self._look("count", self._backend.stats)

    async def verify(self, after: int, limit: int) -> Sequence[Damage]:
        return await self._look("verify", lambda: self._backend.verify(after, limit))

    async def tenant(self, name: str) -> Backend:
        return await self._backend.tenant(name)

    async def close(self) -> None:
        """Belongs to the simulation."""

    async def _look(self, what: str, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return await befallen(self._life, what, "read", call)

    async def _change(self, what: str, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async def changing() -> T:
            try:
                return await call()
            finally:
                self._changed()

        return await befallen(self._life, what, "write", changing)


class SimulatedCrew:
    """What the runner of one process knows of the world: time that passes, jobs side by side, calls outside."""

    stopping = False

    def __init__(self, life: Life) -> None:
        self._life = life

    def now(self) -> float:
        return self._life.world.clock.now() / 1e6

    async def pause(self, seconds: float) -> None:
        await self._life.pauses(seconds)

    async def head_above(self, after: int, seconds: float) -> None:
        await self._life.pauses(seconds, after)

    def start(self, name: str, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._life.world.start(self._life, job())

    async def call(self, function: Callable[..., Any], args: Sequence[Any], limit: timedelta) -> object:
        async def calling() -> object:
            return run_sync(function(*args)) if iscoroutinefunction(function) else function(*args)

        name = getattr(function, "__qualname__", repr(function))
        return await befallen(self._life, f"call {name}", "outside", calling)
