"""Turns by name: on a hot stream, decisions of one process wait for each other instead of losing to each other."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Generic, TypeVar

L = TypeVar("L")


class _Names(Generic[L]):
    """A lock for each name that somebody holds or waits for, and for no other."""

    def __init__(self, make: Callable[[], L]) -> None:
        self._make: Callable[[], L] = make
        self._guard = threading.Lock()
        self._locks: dict[str, tuple[L, int]] = {}

    def enter(self, name: str) -> L:
        with self._guard:
            lock, users = self._locks.get(name) or (self._make(), 0)
            self._locks[name] = lock, users + 1
            return lock

    def leave(self, name: str) -> None:
        with self._guard:
            lock, users = self._locks.pop(name)
            if users > 1:
                self._locks[name] = lock, users - 1


class ThreadTurns:
    """For threads."""

    def __init__(self) -> None:
        self._names = _Names(threading.Lock)

    @contextmanager
    def of(self, name: str) -> Generator[None]:
        """Wait for the turn of a name, and have it until the end; the empty name waits for nobody."""
        if not name:
            yield
            return
        lock = self._names.enter(name)
        try:
            with lock:
                yield
        finally:
            self._names.leave(name)


class TaskTurns:
    """For the tasks of one event loop."""

    def __init__(self) -> None:
        import asyncio  # noqa: PLC0415 - loaded when it is needed

        self._names = _Names(asyncio.Lock)

    @asynccontextmanager
    async def of(self, name: str) -> AsyncGenerator[None]:
        """Wait for the turn of a name, and have it until the end; the empty name waits for nobody."""
        if not name:
            yield
            return
        lock = self._names.enter(name)
        try:
            async with lock:
                yield
        finally:
            self._names.leave(name)
