"""What one caller waits for and another one gives, between threads and between tasks."""

from __future__ import annotations

import asyncio
import threading
from typing import Protocol


class Signal(Protocol):
    """Given once."""

    def set(self) -> None:
        """Give it."""
        ...

    async def wait(self) -> None:
        """Wait until it is given."""
        ...


class ThreadSignal:
    """Between threads."""

    def __init__(self) -> None:
        self._closed = threading.Lock()
        self._closed.acquire()

    def set(self) -> None:
        self._closed.release()

    async def wait(self) -> None:
        self._closed.acquire()


class TaskSignal:
    """Between tasks of one event loop."""

    def __init__(self) -> None:
        self._given: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def set(self) -> None:
        if not self._given.done():  # the task that waits for it may be cancelled
            self._given.set_result(None)

    async def wait(self) -> None:
        await self._given
