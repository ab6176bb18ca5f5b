"""Pools of connections that live through the loss of their server, and through its becoming a standby."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import psycopg
from psycopg import errors
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

PATIENCE: Final = 1.0
"""Seconds for which the pool tries to connect before it is asked anew; left to itself it would pause twice as long each time."""


class Failed(Exception):
    """One statement of a transaction failed, and so all of it."""

    def __init__(self, index: int, error: psycopg.Error | UnicodeEncodeError) -> None:
        self.index, self.error = index, error
        super().__init__(index, error)


class Demoted(psycopg.OperationalError):
    """The server only reads by now, and so another one writes. Certainly nothing was written."""


class BlockingPool(ConnectionPool[psycopg.Connection[Any]]):
    """For threads. `moves`: whether another server may take over, so that one that only reads is left."""

    def __init__(self, *, moves: bool, **settings: Any) -> None:  # noqa: ANN401 - psycopg's own
        super().__init__(**settings)
        self._moves = moves

    def getconn(self, timeout: float | None = None) -> psycopg.Connection[Any]:
        seconds = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with suppress(PoolTimeout):
                return super().getconn(timeout=min(PATIENCE, left))
        raise PoolTimeout(f"none was free after {seconds:g} s")

    @contextmanager
    def connection(self, timeout: float | None = None) -> Generator[psycopg.Connection[Any]]:
        with super().connection(timeout) as connection:
            try:
                yield connection
            except (Failed, errors.ReadOnlySqlTransaction) as error:
                if self._moves and is_standby(connection):
                    connection.close()
                    raise Demoted(str(error)) from error
                raise


class AwaitingPool(AsyncConnectionPool[psycopg.AsyncConnection[Any]]):
    """For tasks of one event loop; else as `BlockingPool`."""

    def __init__(self, *, moves: bool, **settings: Any) -> None:  # noqa: ANN401 - psycopg's own
        super().__init__(**settings)
        self._moves = moves

    async def getconn(self, timeout: float | None = None) -> psycopg.AsyncConnection[Any]:  # noqa: ASYNC109 - as psycopg has it
        seconds = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with suppress(PoolTimeout):
                return await super().getconn(timeout=min(PATIENCE, left))
        raise PoolTimeout(f"none was free after {seconds:g} s")

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncGenerator[psycopg.AsyncConnection[Any]]:  # noqa: ASYNC109 - as psycopg has it
        async with super().connection(timeout) as connection:
            try:
                yield connection
            except (Failed, errors.ReadOnlySqlTransaction) as error:
                if self._moves and is_standby(connection):
                    await connection.close()
                    raise Demoted(str(error)) from error
                raise


def is_standby(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> bool:
    """Whether its server follows another one, as the server told when that last changed."""
    return connection.pgconn.parameter_status(b"in_hot_standby") == b"on"
