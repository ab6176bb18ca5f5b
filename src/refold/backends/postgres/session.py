"""Connections of both colours behind one shape: in the blocking one, what is spelled `async` never suspends."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Format
from psycopg.types.string import ByteaBinaryLoader
from psycopg_pool import PoolClosed, PoolTimeout

from refold.backends.postgres.location import SETTINGS, PostgresLocation
from refold.backends.postgres.pools import PATIENCE, AwaitingPool, BlockingPool, Demoted, Failed
from refold.backends.postgres.signals import Signal, TaskSignal, ThreadSignal
from refold.errors import UsageError
from refold.ports import Unclaimed

T = TypeVar("T")
Bound: TypeAlias = tuple[str, Sequence[Any] | dict[str, Any]]
"""A statement and its values."""


class Many(NamedTuple):
    """A statement that is run for each of so many sets of values, in few round trips."""

    text: str
    rows: Sequence[dict[str, Any]]


class Must(NamedTuple):
    """A statement that must give a row, or else the transaction is undone."""

    text: str
    values: Mapping[str, Any]


OPENING: Final = 2.0
"""Seconds for which a first connection is tried again: long enough for a hiccup, short enough to be told why it fails."""
QUOTED: Final = re.compile(r'"(?![a-z_]+"\s*$).*"', re.DOTALL)
"""What libpq quotes of a URL that it cannot read, if that is not the name of a setting: all of it, or a password."""
PAUSE: Final = 0.05
"""Seconds before a statement is sent again after its connection broke."""


def read_plainly(cursor: psycopg.Cursor[Any] | psycopg.AsyncCursor[Any]) -> None:
    """What `plain` asks of a cursor: all is read in binary, JSON and ids as the bytes that they are."""
    cursor.format = Format.BINARY
    for type in ("json", "uuid"):
        cursor.adapters.register_loader(type, ByteaBinaryLoader)


class Session(Protocol):
    """A pool of connections."""

    own: bool
    """Whether transactions are ours, so that one that broke can be sent again."""

    async def fetch(
        self, text: str, values: Sequence[Any] | dict[str, Any] = (), *, plain: bool = False
    ) -> list[tuple[Any, ...]]:
        """Run one statement in a transaction of its own, one round trip, and give its rows.

        `plain`: JSON and ids come as the bytes that they are.
        """
        ...

    async def transaction(
        self, statements: Sequence[Bound | Many | Must], *, plain: bool = False
    ) -> Sequence[list[tuple[Any, ...]]]:
        """Run statements in one transaction, and give the rows of each, `plain` or not.

        Raises:
            Failed: one of them did; nothing was done.
            Unclaimed: one that must give a row gave none; nothing was done.
        """
        ...

    def held(self) -> AbstractAsyncContextManager[Any]:
        """One connection in a transaction, which ends with the block."""
        ...

    def signal(self) -> Signal:
        """One that nobody has given yet."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait a little."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


def _settings(location: PostgresLocation) -> dict[str, Any]:
    connection: dict[str, Any] = {
        "autocommit": True,
        "prepare_threshold": None if location.pooled else 0,
        "fallback_application_name": "refold",
        "client_encoding": "utf8",
    }
    if not location.pooled:
        timeout = int(location.busy_timeout * 1_000)
        ours = f"-c statement_timeout={timeout} -c idle_in_transaction_session_timeout={timeout}"
        if location.read_only:
            ours += " -c default_transaction_read_only=on"
        connection["options"] = f"{ours} {_options(location)}".strip()
    connection = {**connection, **vigilance(location)}
    return {
        "conninfo": location.url,
        "min_size": 1,
        "max_size": location.pool_size,
        "timeout": location.busy_timeout,
        "reconnect_timeout": PATIENCE,
        "moves": location.several and not location.read_only,
        "open": False,
        "kwargs": connection,
    }


def vigilance(location: PostgresLocation) -> dict[str, Any]:
    """So that a connection into nowhere is noticed, soon if another server takes over; what the URL says of it holds."""
    ours = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
    ours |= {"tcp_user_timeout": int(location.busy_timeout * 1_000), "connect_timeout": 10}
    if location.several:
        ours = {"keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 2}
        ours |= {"tcp_user_timeout": 10_000, "connect_timeout": 3}
    return {name: value for name, value in ours.items() if name not in _asked(location)}


def _opening(location: PostgresLocation) -> float:
    """Seconds for which a first connection is tried: of several servers one may be about to take over."""
    return location.busy_timeout if location.several else min(OPENING, location.busy_timeout)


def _options(location: PostgresLocation) -> str:
    """What the URL asks of the session; it comes after what we ask, and so holds."""
    return str(_asked(location).get("options", ""))


def _asked(location: PostgresLocation) -> Mapping[str, object]:
    try:
        return conninfo_to_dict(location.url)
    except psycopg.ProgrammingError as error:
        why = QUOTED.sub("...", str(error).strip())
    except UnicodeError:
        why = "it is not UTF-8"
    # Not within the block: what libpq says quotes the URL, and an error keeps the one in whose handling it was raised.
    raise UsageError(f"libpq does not take the store's URL ({why}): write {SETTINGS}.")


class Steady:
    """Reads that are sent again when the connection broke under them, until the server has been away for too long."""

    def __init__(self, session: Session, seconds: float) -> None:
        self._session, self._seconds = session, seconds

    async def fetch(
        self, text: str, values: Sequence[Any] | dict[str, Any] = (), *, plain: bool = False
    ) -> list[tuple[Any, ...]]:
        """The rows of one statement that changes nothing."""
        return await self._again(lambda: self._session.fetch(text, values, plain=plain))

    async def _again(self, read: Callable[[], Awaitable[T]]) -> T:
        deadline = time.monotonic() + self._seconds
        while True:
            try:
                return await read()
            except psycopg.OperationalError as error:
                if not self._session.own or not lost(error) or time.monotonic() > deadline:
                    raise
            await self._session.pause(PAUSE)

    async def pause(self, seconds: float) -> None:
        """Wait a little."""
        await self._session.pause(seconds)


def lost(error: psycopg.Error) -> bool:
    """Whether the connection went, so that it is not known what became of the statement; else the server refused it.

    A server that panics says why, and ends: what it could not sync at a commit is there when it is back.
    """
    if error.diag.severity_nonlocalized in {"FATAL", "PANIC"}:
        return True
    if not isinstance(error, psycopg.OperationalError) or isinstance(error, PoolClosed | PoolTimeout | Demoted):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))


def run_all(cursor: psycopg.Cursor[Any], statements: Sequence[Bound | Many | Must]) -> list[list[tuple[Any, ...]]]:
    """Run statements one after another, and give the rows of each; many runs of one give none.

    Raises:
        Failed: one of them did.
        Unclaimed: one that must give a row gave none.
    """
    found: list[list[tuple[Any, ...]]] = []
    for index, (text, values, *_) in enumerate(statements):
        try:
            if isinstance(statements[index], Many):
                cursor.executemany(text.encode(), values)
            else:
                cursor.execute(text.encode(), values or None, prepare=None if values else False)
        except (psycopg.Error, UnicodeEncodeError) as error:
            raise Failed(index, error) from error
        found.append(_checked(statements[index], cursor.fetchall() if cursor.description else []))
    return found


async def await_all(
    cursor: psycopg.AsyncCursor[Any], statements: Sequence[Bound | Many | Must]
) -> list[list[tuple[Any, ...]]]:
    """The same as `run_all`, awaited."""
    found: list[list[tuple[Any, ...]]] = []
    for index, (text, values, *_) in enumerate(statements):
        try:
            if isinstance(statements[index], Many):
                await cursor.executemany(text.encode(), values)
            else:
                await cursor.execute(text.encode(), values or None, prepare=None if values else False)
        except (psycopg.Error, UnicodeEncodeError) as error:
            raise Failed(index, error) from error
        found.append(_checked(statements[index], await cursor.fetchall() if cursor.description else []))
    return found


def _checked(statement: Bound | Many | Must, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    if isinstance(statement, Must) and not rows:
        raise Unclaimed
    return rows


class BlockingSession:
    """For threads."""

    own = True

    def __init__(self, location: PostgresLocation) -> None:
        settings = _settings(location)
        self._try(location, settings["kwargs"])
        self._pool = BlockingPool(**settings)
        self._pool.open()

    @staticmethod
    def _try(location: PostgresLocation, kwargs: dict[str, Any]) -> None:
        """One connection before there is a pool, which would try for long and then not say why it failed."""
        deadline = time.monotonic() + _opening(location)
        while True:
            try:
                return psycopg.connect(location.url, **kwargs).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(PAUSE)

    async def fetch(
        self, text: str, values: Sequence[Any] | dict[str, Any] = (), *, plain: bool = False
    ) -> list[tuple[Any, ...]]:
        with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
            if plain:
                read_plainly(cursor)
            rows: list[tuple[Any, ...]] = cursor.execute(text.encode(), values or None).fetchall()
            return rows

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[psycopg.Connection[Any]]:
        with self._pool.connection() as connection, connection.transaction():
            yield connection

    async def transaction(
        self, statements: Sequence[Bound | Many | Must], *, plain: bool = False
    ) -> Sequence[list[tuple[Any, ...]]]:
        with self._pool.connection() as connection, connection.transaction(), connection.cursor() as cursor:
            if plain:
                read_plainly(cursor)
            return run_all(cursor, statements)

    def signal(self) -> Signal:
        return ThreadSignal()

    async def pause(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - this is the blocking one

    async def close(self) -> None:
        self._pool.close()


class AwaitingSession:
    """For tasks of one event loop."""

    own = True

    def __init__(self, location: PostgresLocation) -> None:
        self._location, self._settings = location, _settings(location)
        self._pool = AwaitingPool(**self._settings)

    async def open(self) -> None:
        """Connect: once before there is a pool, which would try for long and then not say why it failed."""
        deadline = time.monotonic() + _opening(self._location)
        while not await self._tried(deadline):  # noqa: ASYNC110 - a server does not say when it is there
            await asyncio.sleep(PAUSE)
        await self._pool.open()

    async def _tried(self, deadline: float) -> bool:
        try:
            connection = await psycopg.AsyncConnection.connect(self._location.url, **self._settings["kwargs"])
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            return False
        await connection.close()
        return True

    async def fetch(
        self, text: str, values: Sequence[Any] | dict[str, Any] = (), *, plain: bool = False
    ) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
            if plain:
                read_plainly(cursor)
            await cursor.execute(text.encode(), values or None)
            rows: list[tuple[Any, ...]] = await cursor.fetchall()
            return rows

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[psycopg.AsyncConnection[Any]]:
        async with self._pool.connection() as connection, connection.transaction():
            yield connection

    async def transaction(
        self, statements: Sequence[Bound | Many | Must], *, plain: bool = False
    ) -> Sequence[list[tuple[Any, ...]]]:
        async with self._pool.connection() as connection, connection.transaction(), connection.cursor() as cursor:
            if plain:
                read_plainly(cursor)
            return await await_all(cursor, statements)

    def signal(self) -> Signal:
        return TaskSignal()

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        await self._pool.close()
