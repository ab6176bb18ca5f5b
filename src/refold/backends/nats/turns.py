"""Who is next: appends of this process to the same subjects wait for each other, instead of losing to each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager


class Turns:
    """The turns at each name."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, names: Sequence[str]) -> AsyncGenerator[None]:
        """Wait for the turn of each name, and have them all until the end."""
        entered: list[str] = []
        taken: list[asyncio.Lock] = []
        try:
            for name in sorted(names):
                lock, users = self._locks.get(name) or (asyncio.Lock(), 0)
                self._locks[name] = lock, users + 1
                entered.append(name)
                await lock.acquire()
                taken.append(lock)
            yield
        finally:
            for lock in taken:
                lock.release()
            for name in entered:
                lock, users = self._locks.pop(name)
                if users > 1:
                    self._locks[name] = lock, users - 1
