"""Django: read models in Django's models, changed by handlers that use its ORM, in the transaction of their checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeAlias, TypeVar, cast

from refold.columns import SqlValue
from refold.errors import MissingExtra
from refold.flows.projections.batch import HandlerFailed
from refold.integrations.bookkeeping import (
    FOUND,
    LOCK,
    Database,
    capabilities_of,
    database_of,
    formatted,
    making,
    single,
)
from refold.integrations.steps import plain, run_all, run_one
from refold.integrations.troubles import failed, swallowed, trouble, uncommitted
from refold.ports import Backend, Capabilities, Own, Rows, Within
from refold.projection import Statement

try:
    from django.db import Error, connections, transaction  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]
except ImportError as error:
    raise MissingExtra("django", "django") from error

T = TypeVar("T")


class _Cursor(Protocol):
    description: object

    def execute(self, text: str, params: Mapping[str, SqlValue] | None = None) -> object: ...
    def executemany(self, text: str, params: Sequence[Mapping[str, SqlValue]]) -> object: ...
    def fetchall(self) -> Sequence[Sequence[Any]]: ...


class _Connection(Protocol):
    """What is used of Django's connections, which have no types."""

    vendor: str
    in_atomic_block: bool
    needs_rollback: bool

    def cursor(self) -> AbstractContextManager[_Cursor]: ...
    def close_if_unusable_or_obsolete(self) -> None: ...


_Atomic: TypeAlias = Callable[[str], AbstractContextManager[None]]
_connections = cast("Mapping[str, _Connection]", connections)
_atomic = cast("_Atomic", transaction.atomic)  # pyright: ignore[reportUnknownMemberType]
_Error = cast("type[Exception]", Error)


class DjangoTarget:
    """A database of Django's settings, for read models. Under `AsyncStore`, each call has a thread.

    Handlers use the ORM by themselves, on this database, and may then give `None`. They run inside `transaction.atomic`, so
    within a transaction of the application's what they did stands or falls with that. As after a request, a connection is
    closed when `CONN_MAX_AGE` is over. Refold's own tables, `refold_...`, are made at first use, if they are not there.
    """

    awaits = False

    def __init__(self, using: str = "default") -> None:
        self.using = using
        self._made = False

    @property
    def capabilities(self) -> Capabilities:
        """What is given there.

        Raises:
            UsageError: the database is neither SQLite nor PostgreSQL.
        """
        return capabilities_of(database_of(_connections[self.using].vendor))

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        """Run statements in one transaction, and give the rows of each."""
        return await self.within(lambda inside: inside.work(steps))

    async def within(self, flow: Within[T]) -> T:
        """Run a flow in one transaction."""
        with self._connected() as connection, self._transaction(connection):
            return await flow(cast("Backend", Inside(connection, self.capabilities)))

    async def query(self, statement: Own | Statement) -> Rows:
        """Read."""
        with self._connected() as connection:
            return run_one(_Raw(connection), statement)

    @contextmanager
    def _connected(self) -> Generator[_Connection]:
        connection = _connections[self.using]
        _close_if_over(connection)
        try:
            if not self._made:
                self._make(connection)
            yield connection
        finally:
            _close_if_over(connection)

    def _make(self, connection: _Connection) -> None:
        """Make our tables where they are not there; inside a transaction of the application's they may go with it."""
        database = database_of(connection.vendor)
        try:
            if not _Raw(connection).run(FOUND[database], {}):
                with _atomic(
                    self.using
                ):  # it begins by writing: SQLite lets nobody write who has read before another wrote
                    for statement in making(database):
                        _Raw(connection).run(statement, {})
        except _Error as error:
            raise failed(_driver_error(error)) from error
        self._made = not connection.in_atomic_block

    @contextmanager
    def _transaction(self, connection: _Connection) -> Generator[None]:
        done = False
        try:
            with _atomic(self.using):
                if database_of(connection.vendor) == "sqlite":
                    _Raw(connection).run(LOCK, {})
                yield
                done = True
        except HandlerFailed as handler:
            if away := _away(handler.error):
                raise away from handler.error
            raise
        except _Error as error:
            raise (uncommitted if done else failed)(_driver_error(error)) from error


def _close_if_over(connection: _Connection) -> None:
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


class Inside:
    """A target inside its transaction."""

    def __init__(self, connection: _Connection, capabilities: Capabilities) -> None:
        self._connection, self._raw, self.capabilities = connection, _Raw(connection), capabilities

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        """Run statements."""
        if self._connection.needs_rollback:
            raise swallowed()
        return run_all(self._raw, steps)

    async def within(self, flow: Within[T]) -> T:
        """Run a flow in the same transaction."""
        return await flow(cast("Backend", self))

    async def query(self, statement: Own | Statement) -> Rows:
        """Read what is there by now."""
        return run_one(self._raw, statement)


class _Raw:
    """A connection, for statements with `:name`."""

    errors = _Error

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self.database: Database = database_of(connection.vendor)

    def cause(self, error: Exception) -> BaseException | None:
        return _driver_error(error)

    def run(self, text: str, params: Mapping[str, SqlValue]) -> Rows:
        several = not params and self.database == "sqlite"
        with self._connection.cursor() as cursor:
            for each in single(text) if several else [text]:
                cursor.execute(formatted(each) if params else each, dict(params) if params else None)
            return [tuple(map(plain, row)) for row in cursor.fetchall()] if cursor.description else []

    def run_many(self, text: str, rows: Sequence[Mapping[str, SqlValue]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(formatted(text), [dict(row) for row in rows])


def _driver_error(error: Exception) -> BaseException | None:
    """What Django wrapped; a rollback that was asked for has no driver's error below it."""
    return error.__cause__ or error


def _away(error: Exception) -> Exception | None:
    return trouble(_driver_error(error)) if isinstance(error, _Error) else None


def emptying(*models: Any) -> str:  # noqa: ANN401 - classes of Django's, which have no types
    """A `schema` that empties the tables of these models, those first that refer to others: whenever the read model is begun.

    Migrations make them. A read model that is reset would else find what it had written before.
    """
    return ";\n".join(f'delete from "{model._meta.db_table}"' for model in models)  # noqa: S608, SLF001 - Django's way
