"""A crew whose jobs are tasks of one event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from inspect import isawaitable, iscoroutinefunction
from typing import Any

from refold._bridge.awaiting import AwaitingEngine
from refold._bridge.calling import called, contained
from refold._bridge.crews import LOOK, Job
from refold._bridge.native import NativeAwaitingEngine
from refold.errors import RefoldError
from refold.steps import Step


async def call_there(function: Callable[..., Any], args: Sequence[Any], limit: timedelta) -> object:
    """Await a coroutine function, or what another function gives, at most for so long; that one runs in a thread."""
    with contained():
        answer = function(*args) if iscoroutinefunction(function) else await asyncio.to_thread(called, function, args)
        if not isawaitable(answer) or isinstance(answer, Step):  # a step is awaited by the code of its saga
            return answer
        async with asyncio.timeout(limit.total_seconds()):
            return await answer


class TaskCrew:
    """Jobs as tasks of one event loop."""

    def __init__(self, engine: AwaitingEngine | NativeAwaitingEngine) -> None:
        self._engine = engine
        self._stop = asyncio.Event()
        self._news = asyncio.Condition()
        self._head = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def now(self) -> float:
        return time.monotonic()

    async def pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    async def head_above(self, after: int, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: self._head > after or self.stopping)

    def start(self, name: str, job: Job) -> None:
        task = asyncio.get_running_loop().create_task(job(), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def call(self, function: Callable[..., Any], args: Sequence[Any], limit: timedelta) -> object:
        return await call_there(function, args, limit)

    def watch(self) -> None:
        """Tell the others of the head, in a task of its own."""
        self.start("refold-head", self._watch)

    async def _watch(self) -> None:
        while not self.stopping:
            try:
                head = await self._engine.wait(self._head, LOOK)
            except RefoldError:  # the store is away: the jobs notice it, too, and say so
                await self.pause(LOOK)
                continue
            async with self._news:
                self._head = head
                self._news.notify_all()

    async def stop(self) -> None:
        """Tell every job to come to its end."""
        self._stop.set()
        async with self._news:
            self._news.notify_all()

    async def join(self, timeout: float | None) -> bool:  # noqa: ASYNC109 - it does not fail, it says
        """Wait until all have, and say whether they have."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._tasks:
            left = LOOK if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return False
            await asyncio.wait(set(self._tasks), timeout=min(left, LOOK))
        return True
