"""What `subscribe` gives: an iterator over what was appended and what will be. The steps are those of `refold.flows.follow`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from refold._bridge.stepping import run_sync
from refold.flows.follow import Follower
from refold.messages import Position, Recorded
from refold.ports import Backend

if TYPE_CHECKING:
    from asyncio import Future

    from refold._bridge.awaiting import AwaitingEngine
    from refold._bridge.blocking import BlockingEngine
    from refold._bridge.native import NativeAwaitingEngine, NativeBlockingEngine

T = TypeVar("T")

LOOK_UP: Final = 0.2
"""Seconds after which a thread that waits looks whether its subscription was closed by another."""


class Subscription(Iterator[Recorded[Any]]):
    """Events as they come, for one thread that iterates; an error ends nothing: iterate again, and it goes on there."""

    def __init__(self, engine: BlockingEngine | NativeBlockingEngine, follower: Follower) -> None:
        self._engine, self._follower = _Looking(engine), follower

    @property
    def position(self) -> int:
        """How far it got: `after=` this goes on with what was not handed out yet. A version, when a stream is followed.

        It moves on with events that are not selected, too, so it may be above that of the last one that was.
        """
        return _place(self._follower)

    def close(self) -> None:
        """End the iteration, also one that waits in another thread or task. Closing twice is fine."""
        self._follower.closed = True

    def __next__(self) -> Recorded[Any]:
        while (event := self._follower.taken()) is None:
            if not run_sync(self._follower.more(self._engine)):
                raise StopIteration
        return event

    def __enter__(self) -> Self:
        run_sync(self._follower.begin(self._engine))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncSubscription(AsyncIterator[Recorded[Any]]):
    """Events as they come, for one task that iterates; an error ends nothing: iterate again, and it goes on there."""

    def __init__(self, engine: AwaitingEngine | NativeAwaitingEngine, follower: Follower) -> None:
        self._engine, self._follower = _Awaiting(engine), follower

    @property
    def position(self) -> int:
        """How far it got: `after=` this goes on with what was not handed out yet. A version, when a stream is followed.

        It moves on with events that are not selected, too, so it may be above that of the last one that was.
        """
        return _place(self._follower)

    async def close(self) -> None:
        """End the iteration, also one that waits in another thread or task. Closing twice is fine."""
        self._follower.closed = True
        self._engine.wake()

    async def __anext__(self) -> Recorded[Any]:
        while (event := self._follower.taken()) is None:
            if not await self._follower.more(self._engine):
                raise StopAsyncIteration
        return event

    async def __aenter__(self) -> Self:
        await self._follower.begin(self._engine)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _place(follower: Follower) -> int:
    return follower.position if follower.by_version else Position(follower.position)


class _Looking:
    """A blocking engine, whose waits are short."""

    def __init__(self, engine: BlockingEngine | NativeBlockingEngine) -> None:
        self._engine = engine

    def now(self) -> float:
        return time.monotonic()

    async def wait(self, after: int, seconds: float, /) -> int:
        return self._engine.wait(after, min(seconds, LOOK_UP))

    async def outside(self, flow: Callable[[Backend], Coroutine[Any, Any, T]], /) -> T:
        return self._engine.outside(flow)


class _Awaiting:
    """An awaiting engine, whose waits can be cut short."""

    def __init__(self, engine: AwaitingEngine | NativeAwaitingEngine) -> None:
        self._engine = engine
        self._woken: Future[None] | None = None

    def now(self) -> float:
        return time.monotonic()

    async def wait(self, after: int, seconds: float, /) -> int:
        import asyncio  # noqa: PLC0415 - loaded when it is needed

        waiting = asyncio.ensure_future(self._engine.wait(after, seconds))
        self._woken = asyncio.get_running_loop().create_future()
        either: set[Future[Any]] = {waiting, self._woken}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else after
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)  # a connection that it holds is put right first

    async def outside(self, flow: Callable[[Backend], Coroutine[Any, Any, T]], /) -> T:
        return await self._engine.outside(flow)

    def wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)
