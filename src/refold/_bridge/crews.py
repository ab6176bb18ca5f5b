"""Crews: jobs that run side by side until they are told to stop; on threads here, as tasks in `tasks`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from inspect import iscoroutinefunction
from typing import Any, Final, Protocol, TypeAlias

from refold._bridge.blocking import BlockingEngine
from refold._bridge.calling import called
from refold._bridge.native import NativeBlockingEngine
from refold._bridge.stepping import run_sync
from refold.errors import RefoldError, UsageError

Job: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

LOOK: Final = 0.2
"""Seconds for which the head is waited for in one go."""


class Crew(Protocol):
    """What a runner needs of the world: jobs side by side, pauses, and news of the head."""

    @property
    def stopping(self) -> bool:
        """Whether every job should come to its end."""
        ...

    def now(self) -> float:
        """Seconds since some moment, never going back."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until all should stop."""
        ...

    async def head_above(self, after: int, seconds: float) -> None:
        """Wait until an event stands above a position, or so long, or until all should stop."""
        ...

    def start(self, name: str, job: Job) -> None:
        """Let a job run beside the others."""
        ...

    async def call(self, function: Callable[..., Any], args: Sequence[Any], limit: timedelta) -> object:
        """Call a function that does something outside the store; what is awaited is cut off at the limit."""
        ...


async def call_here(function: Callable[..., Any], args: Sequence[Any], limit: timedelta) -> object:  # noqa: ARG001 - a call that blocks sees to that itself
    """Call a function in this thread.

    Raises:
        UsageError: it would have to be awaited.
    """
    if iscoroutinefunction(function):
        raise UsageError(f"{function.__qualname__} is a coroutine function: AsyncStore awaits it, Store cannot.")
    return called(function, args)


class ThreadCrew:
    """Jobs on threads."""

    def __init__(self, engine: BlockingEngine | NativeBlockingEngine) -> None:
        self._engine = engine
        self._stop = threading.Event()
        self._news = threading.Condition()
        self._head = 0
        self._threads: list[threading.Thread] = []

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def now(self) -> float:
        return time.monotonic()

    async def pause(self, seconds: float) -> None:
        self._stop.wait(seconds)

    async def head_above(self, after: int, seconds: float) -> None:
        with self._news:
            self._news.wait_for(lambda: self._head > after or self.stopping, seconds)

    def start(self, name: str, job: Job) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=lambda: run_sync(job()), name=name)
        self._threads.append(thread)
        thread.start()

    async def call(self, function: Callable[..., Any], args: Sequence[Any], limit: timedelta) -> object:
        return await call_here(function, args, limit)

    def watch(self) -> None:
        """Tell the others of the head, from a thread of its own."""
        self.start("refold-head", self._watch)

    async def _watch(self) -> None:
        while not self.stopping:
            try:
                head = self._engine.wait(self._head, LOOK)
            except RefoldError:  # the store is away: the jobs notice it, too, and say so
                await self.pause(LOOK)
                continue
            with self._news:
                self._head = head
                self._news.notify_all()

    def stop(self) -> None:
        """Tell every job to come to its end."""
        self._stop.set()
        with self._news:
            self._news.notify_all()

    def join(self, timeout: float | None) -> bool:
        """Wait until all have, and say whether they have."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while alive := [thread for thread in self._threads if thread.is_alive()]:
            left = LOOK if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return False
            alive[0].join(min(left, LOOK))
        return True
