"""Wait for events: woken by the server at a commit, and by polling where it cannot wake."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol, TypeAlias

import psycopg
from psycopg import sql

from refold.backends.postgres.location import PostgresLocation
from refold.backends.postgres.session import PAUSE, Session, lost, vigilance

POLL: Final = 1.0
"""Seconds after which the head is looked at although nobody called: a call can be lost with its connection."""

_LISTEN: Final = sql.SQL("unlisten *; listen {}")

Hear: TypeAlias = Callable[[float], Awaitable[None]]
"""Returns when something was called out, or when so many seconds are over."""


class Ears(Protocol):
    """Connections that listen for appends, to a store or to one of its tenants."""

    def listening(self, channel: str) -> AbstractAsyncContextManager[Hear]:
        """Inside, whatever is called out there is heard."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class Polling:
    """Behind a pooler, or inside a transaction of the application's, nothing is heard: look again after a pause."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @asynccontextmanager
    async def listening(self, channel: str) -> AsyncGenerator[Hear]:
        async def hear(seconds: float) -> None:
            await self._session.pause(min(PAUSE, seconds))

        yield hear

    async def close(self) -> None: ...


class BlockingEars:
    """For threads: each that waits has a connection of its own, kept for the next."""

    def __init__(self, location: PostgresLocation) -> None:
        self._location = location
        self._free: deque[psycopg.Connection[Any]] = deque()

    @asynccontextmanager
    async def listening(self, channel: str) -> AsyncGenerator[Hear]:
        url, care = self._location.url, vigilance(self._location)
        connection = self._free.pop() if self._free else psycopg.connect(url, autocommit=True, **care)

        async def hear(seconds: float) -> None:
            list(connection.notifies(timeout=seconds, stop_after=1))

        try:
            connection.execute(_LISTEN.format(sql.Identifier(channel)), prepare=False)
            yield hear
        except BaseException:
            connection.close()
            raise
        self._free.append(connection)

    async def close(self) -> None:
        while self._free:
            self._free.pop().close()


class AwaitingEars:
    """For the tasks of one event loop: each that waits has a connection of its own, kept for the next."""

    def __init__(self, location: PostgresLocation) -> None:
        self._location = location
        self._free: deque[psycopg.AsyncConnection[Any]] = deque()

    @asynccontextmanager
    async def listening(self, channel: str) -> AsyncGenerator[Hear]:
        url, care = self._location.url, vigilance(self._location)
        connection = (
            self._free.pop() if self._free else await psycopg.AsyncConnection.connect(url, autocommit=True, **care)
        )

        async def hear(seconds: float) -> None:
            async for _ in connection.notifies(timeout=seconds, stop_after=1):
                return

        try:
            await connection.execute(_LISTEN.format(sql.Identifier(channel)), prepare=False)
            yield hear
        except BaseException:
            await connection.close()
            raise
        self._free.append(connection)

    async def close(self) -> None:
        while self._free:
            await self._free.pop().close()


async def wait(
    session: Session, ears: Ears, channel: str, head: Callable[[], Awaitable[int]], after: int, seconds: float
) -> int:
    """The head, as soon as it is above `after`, or else when the seconds are over. First the ears, then the look."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            async with ears.listening(channel) as hear:
                while (found := await head()) <= after and (left := deadline - time.monotonic()) > 0:
                    await hear(min(left, POLL))
                return found
        except psycopg.OperationalError as error:
            if not lost(error) or time.monotonic() > deadline:
                raise
        await session.pause(PAUSE)
