"""SQLAlchemy: read models in mapped classes and Core tables, changed in the transaction that moves their checkpoint.

A handler may yield, beside `sql(...)` and what a `Table` gives, anything that a session executes, and any function that takes
the session; what comes of it is sent back: `rows = yield select(Order)`, `order = yield lambda session: session.get(Order, 7)`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from refold.errors import UsageError
from refold.integrations.bookkeeping import capabilities_of, database_of
from refold.integrations.sessions import Raw, Step, make_tables, prepared, translated
from refold.integrations.steps import run_one
from refold.ports import Backend, Capabilities, Own, Rows
from refold.projection import ForTarget, Statement

from sqlalchemy import Table, inspect  # isort: skip - the room below says what is missing if it is
from sqlalchemy.orm import sessionmaker  # isort: skip

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
    from sqlalchemy.orm import DeclarativeBase, Mapper

    from refold.ports import Within

T = TypeVar("T")


class SessionTarget:
    """The database of an engine, for read models. Threads may share it; under `AsyncStore`, each call has a thread.

    `sessions`: how sessions are made, if not by `Session(...)`. Refold's own tables, `refold_...`, are made at first use, if
    they are not there.

    Raises:
        UsageError: the database is neither SQLite nor PostgreSQL, or `sessions` would reach other ones too.
    """

    awaits = False

    def __init__(self, engine: Engine, *, sessions: sessionmaker[Any] | None = None) -> None:
        self._engine, self._sessions = engine, _checked(sessions)
        self.capabilities: Capabilities = capabilities_of(database_of(engine.dialect.name))
        self._made = False

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        """Run statements in one transaction, and give the rows of each."""
        return await self.within(lambda inside: inside.work(steps))

    async def within(self, flow: Within[T]) -> T:
        """Run a flow in one transaction, which hands out its session."""
        with self._connected() as connection:
            step = Step(connection, self._sessions)
            try:
                result = await flow(cast("Backend", Inside(step, _direct, self.capabilities)))
                step.commit()
            finally:
                step.end()
            return result

    async def query(self, statement: Own | Statement) -> Rows:
        """Read; nothing that it changes stays."""
        with self._connected() as connection:
            return run_one(Raw(connection), statement)

    @contextmanager
    def _connected(self) -> Generator[Connection]:
        with translated(), self._engine.connect() as connection:
            prepared(connection)
            if not self._made:
                make_tables(connection)
                self._made = True
            yield connection


class AsyncSessionTarget:
    """The same on an engine that awaits, for `AsyncStore`. Handlers are given the blocking session that is below it."""

    awaits = True

    def __init__(self, engine: AsyncEngine, *, sessions: sessionmaker[Any] | None = None) -> None:
        self._engine, self._sessions = engine, _checked(sessions)
        self.capabilities: Capabilities = capabilities_of(database_of(engine.dialect.name))
        self._made = False

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        """Run statements in one transaction, and give the rows of each."""
        return await self.within(lambda inside: inside.work(steps))

    async def within(self, flow: Within[T]) -> T:
        """Run a flow in one transaction, which hands out its session."""
        async with self._connected() as connection:
            call = _hopping(connection)
            step = await connection.run_sync(Step, self._sessions)
            try:
                result = await flow(cast("Backend", Inside(step, call, self.capabilities)))
                await call(step.commit)
            finally:
                await call(step.end)
            return result

    async def query(self, statement: Own | Statement) -> Rows:
        """Read; nothing that it changes stays."""
        async with self._connected() as connection:
            return await connection.run_sync(lambda below: run_one(Raw(below), statement))

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[AsyncConnection]:
        with translated():
            async with self._engine.connect() as connection:
                await connection.run_sync(prepared)
                if not self._made:
                    await connection.run_sync(make_tables)
                    self._made = True
                yield connection


class Inside:
    """A target inside its transaction."""

    def __init__(self, step: Step, call: _Call, capabilities: Capabilities) -> None:
        self._step, self._call, self.capabilities = step, call, capabilities

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        """Run statements, after all that the session has not written yet."""
        return await self._call(lambda: self._step.work(steps))

    async def within(self, flow: Within[T]) -> T:
        """Run a flow in the same transaction."""
        return await flow(cast("Backend", self))

    async def query(self, statement: Own | Statement) -> Rows:
        """Read what is there by now."""
        return (await self.work([statement]))[0]

    async def perform(self, effect: ForTarget) -> object:
        """Let the session do what a handler yielded."""
        return await self._call(lambda: self._step.perform(effect))


class _Call(Protocol):
    """Does something where blocking code may run."""

    def __call__(self, do: Callable[[], T], /) -> Coroutine[Any, Any, T]: ...


async def _direct(do: Callable[[], T], /) -> T:
    return do()


def _hopping(connection: AsyncConnection) -> _Call:
    async def call(do: Callable[[], T], /) -> T:
        return await connection.run_sync(lambda _: do())

    return call


def _checked(sessions: sessionmaker[Any] | None) -> sessionmaker[Any]:
    if sessions is None:
        return sessionmaker()
    if sessions.kw.get("binds"):
        raise UsageError("these sessions reach several databases, a transaction only one: make them without binds=.")
    return sessions


def emptying(*tables: type[DeclarativeBase] | Table) -> str:
    """A `schema` that empties these tables, those first that refer to others: whenever the read model is begun.

    Their classes make them. A read model that is reset would else find what it had written before.
    """
    return ";\n".join(f"delete from {_quoted(_table(each))}" for each in tables)  # noqa: S608 - names of tables


def _table(each: type[DeclarativeBase] | Table) -> Table:
    if isinstance(each, Table):
        return each
    mapper: Mapper[Any] = inspect(each)
    return cast("Table", mapper.local_table)


def _quoted(table: Table) -> str:
    names = [table.schema, table.name] if table.schema else [table.name]
    return ".".join(f'"{name}"' for name in names)
