"""A transaction of the application's own, as a session: what is appended commits or goes with everything else in it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from refold.backends.postgres.session import (
    Bound,
    Many,
    Must,
    Session,
    await_all,
    read_plainly,
    run_all,
)
from refold.backends.postgres.signals import Signal, TaskSignal, ThreadSignal
from refold.errors import UsageError

# The application's transaction goes on after ours: with its own search path, not that of a tenant's read models.
_PATH: Final = "show search_path"
_BEGIN: Final = "select"
_SET_PATH: Final = "select set_config('search_path', %s, true)"


def joined(connection: object) -> Session:
    """The session of a connection: psycopg's, or what SQLAlchemy or Django have around it.

    Raises:
        UsageError: there is no psycopg 3 connection in it.
    """
    driver = _driver_connection(connection)
    if isinstance(driver, psycopg.Connection):
        return JoinedBlocking(driver, connection)  # pyright: ignore[reportUnknownArgumentType] - whatever its rows are
    if isinstance(driver, psycopg.AsyncConnection):
        return JoinedAwaiting(driver)  # pyright: ignore[reportUnknownArgumentType] - whatever its rows are
    raise UsageError(
        f"join takes a psycopg 3 connection, or SQLAlchemy's or Django's around one, not {type(connection).__name__}: "
        "for SQLAlchemy take the dialect postgresql+psycopg and pass session.connection()."
    )


def _driver_connection(connection: object) -> object:
    """SQLAlchemy: Connection.connection.driver_connection. Django: django.db.connection.connection."""
    inner = getattr(connection, "connection", connection)
    return getattr(inner, "driver_connection", inner)


class _Joined:
    """What both colours share: the transaction and its connection are the application's."""

    own = False

    async def pause(self, seconds: float) -> None:
        """Nothing is sent again inside a transaction of the application's."""

    async def close(self) -> None:
        """The connection is the application's."""


class JoinedBlocking(_Joined):
    """For threads; the connection is used by one at a time. `around` it there may be SQLAlchemy's."""

    def __init__(self, connection: psycopg.Connection[Any], around: Any = None) -> None:  # noqa: ANN401 - of any library
        self._connection, self._around = connection, around

    def signal(self) -> Signal:
        return ThreadSignal()

    def _begin(self) -> None:
        """Begin the application's transaction if nothing did yet: else a part of it would be the whole, and commit by itself."""
        self._begin_around()
        if not self._connection.autocommit and self._connection.info.transaction_status is TransactionStatus.IDLE:
            self._connection.execute(_BEGIN)

    def _begin_around(self) -> None:
        """SQLAlchemy commits only what it knows to have begun, and begins at any statement that it sees."""
        has_begun = getattr(self._around, "in_transaction", None)
        if callable(has_begun) and not has_begun():
            self._around.begin()

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[psycopg.Connection[Any]]:
        self._begin()
        with self._connection.transaction():
            yield self._connection

    async def fetch(
        self, text: str, values: Sequence[Any] | dict[str, Any] = (), *, plain: bool = False
    ) -> list[tuple[Any, ...]]:
        self._begin_around()
        with psycopg.Cursor(self._connection, row_factory=tuple_row) as cursor:
            if plain:
                read_plainly(cursor)
            return cursor.execute(text.encode(), values or None, binary=True).fetchall()

    async def transaction(
        self, statements: Sequence[Bound | Many | Must], *, plain: bool = False
    ) -> Sequence[list[tuple[Any, ...]]]:
        self._begin()
        with self._connection.transaction(), psycopg.Cursor(self._connection, row_factory=tuple_row) as cursor:
            path = cursor.execute(_PATH).fetchone()
            if plain:
                read_plainly(cursor)
            rows = run_all(cursor, statements)
            cursor.execute(_SET_PATH, path)
            return rows


class JoinedAwaiting(_Joined):
    """For tasks; the connection is used by one at a time."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    def signal(self) -> Signal:
        return TaskSignal()

    async def _begin(self) -> None:
        """As `JoinedBlocking._begin`."""
        if not self._connection.autocommit and self._connection.info.transaction_status is TransactionStatus.IDLE:
            await self._connection.execute(_BEGIN)

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[psycopg.AsyncConnection[Any]]:
        await self._begin()
        async with self._connection.transaction():
            yield self._connection

    async def fetch(
        self, text: str, values: Sequence[Any] | dict[str, Any] = (), *, plain: bool = False
    ) -> list[tuple[Any, ...]]:
        async with psycopg.AsyncCursor(self._connection, row_factory=tuple_row) as cursor:
            if plain:
                read_plainly(cursor)
            await cursor.execute(text.encode(), values or None, binary=True)
            return await cursor.fetchall()

    async def transaction(
        self, statements: Sequence[Bound | Many | Must], *, plain: bool = False
    ) -> Sequence[list[tuple[Any, ...]]]:
        await self._begin()
        async with (
            self._connection.transaction(),
            psycopg.AsyncCursor(self._connection, row_factory=tuple_row) as cursor,
        ):
            path = await (await cursor.execute(_PATH)).fetchone()
            if plain:
                read_plainly(cursor)
            rows = await await_all(cursor, statements)
            await cursor.execute(_SET_PATH, path)
            return rows
