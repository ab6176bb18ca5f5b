"""Live read models: folded from the events into this process when they are read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from refold.errors import UsageError
from refold.flows.live import Horizon, fold
from refold.flows.prepare import Runtime
from refold.flows.projections.batch import HandlerFailed, noted
from refold.flows.projections.builds import active_build
from refold.flows.projections.statements import everything
from refold.flows.projections.work import step, take_up
from refold.messages import Position, Recorded
from refold.ports import Backend, Rows
from refold.projection import Handling, Projection, Statement
from refold.tables import Change, Delete, Key, Patch, Place, Put, Table

R = TypeVar("R")


class SqlNeeded(UsageError):
    """A handler caused something other than changes of its own tables' rows."""

    def __init__(self, projection: Projection) -> None:
        super().__init__(
            f"projection {projection.name!r} is about more than the rows of its tables: that takes a database."
        )


class Tables:
    """The rows of a projection's tables, as values."""

    tags: frozenset[str] = frozenset()

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self.event_types, self.position, self.taken = projection.event_types, 0, 0
        self._rows: dict[str, dict[Place, Any]] = {table.name: {} for table in projection.tables}

    def take(self, recorded: Recorded[Any]) -> None:
        """Do what an event causes, all of it or nothing.

        Raises:
            SqlNeeded: that takes a database.
        """
        handling = self._projection.handlers.get(recorded.data.__class__)
        if handling is None:
            return
        try:
            changes = self._caused(handling, recorded)
        except SqlNeeded:
            raise
        except Exception as error:  # noqa: BLE001 - raised again
            raise noted(HandlerFailed(recorded, error), self._projection) from None
        for change in changes:
            self._change(change)

    def _caused(self, handling: Handling, recorded: Recorded[Any]) -> list[Change]:
        found: list[Change] = []
        caused = handling.call(recorded, *(self.find(get(recorded)) for get in handling.gets))
        if caused is None:
            raise SqlNeeded(self._projection)
        for one in caused:
            if not (isinstance(one, Put | Patch | Delete) and one.table in self._projection.tables):
                raise SqlNeeded(self._projection)
            found.append(one)
        return found

    def find(self, key: Key[R]) -> R | None:
        """The row with a key."""
        if key.table not in self._projection.tables:
            raise SqlNeeded(self._projection)
        return self._rows[key.table.name].get(key.place)

    def _change(self, change: Change) -> None:
        rows = self._rows[change.table.name]
        match change:
            case Put(_, place, row):
                rows[place] = row
            case Patch(table, place, fields):
                if place in rows:
                    rows[place] = table.patched(rows[place], fields)
            case Delete(_, place):
                rows.pop(place, None)

    def rows(self, table: Table[R]) -> list[R]:
        """All rows of a table."""
        return list(self._rows[table.name].values())


class Live:
    """A projection's read model: as values, or in a scratch database as soon as it takes SQL. One call at a time."""

    def __init__(
        self, projection: Projection, as_of: datetime | Position | None, scratch: Callable[[], Awaitable[Backend]]
    ) -> None:
        self._projection, self._horizon, self._scratch = projection.remade(effects=False), Horizon(as_of), scratch
        self._tables = None if projection.schema else Tables(self._projection)
        self._database: Backend | None = None
        self.position = 0

    async def rows(self, source: Backend, runtime: Runtime, table: Table[R]) -> Mapping[object, R]:
        """The rows of a table by their keys."""
        if table not in self._projection.tables:
            raise UsageError(f"{table!r} is none of the tables=(...) of projection {self._projection.name!r}.")
        until = await self._horizon.of(source)
        tables = self._tables
        if tables is not None and await self._folded(source, runtime, tables, until):
            rows = tables.rows(table)
        else:
            database = await self._worked(source, runtime, until)
            rows = [table.read(values) for values in await database.query(everything(table, ""))]
        return {_key(table, row): row for row in rows}

    async def query(self, source: Backend, runtime: Runtime, statement: Statement) -> Rows:
        """What SQL reads from it."""
        self._tables = None
        database = await self._worked(source, runtime, await self._horizon.of(source))
        return await database.query(statement)

    async def _folded(self, source: Backend, runtime: Runtime, tables: Tables, until: int) -> bool:
        """Bring the tables up to date; false: that takes SQL."""
        try:
            await fold(source, runtime, tables, until)
        except SqlNeeded:
            self._tables = None
            return False
        finally:
            self.position = tables.position
        return True

    async def _worked(self, source: Backend, runtime: Runtime, until: int) -> Backend:
        """Bring the scratch database up to date."""
        database = self._database = self._database or await self._scratch()
        try:
            await _applied(source, database, runtime, self._projection, until)
        except HandlerFailed as failed:
            error = noted(failed, self._projection)
            if isinstance(error, UsageError):
                raise self._not_here(error) from error
            raise error from None
        except UsageError as error:
            raise self._not_here(error) from error
        self.position = until
        return database

    def _not_here(self, error: UsageError) -> UsageError:
        return UsageError(
            f"projection {self._projection.name!r} cannot be folded live: {error} What takes SQL is folded into SQLite in "
            "memory, whatever database the store is in, and sees no other read models: write SQL that SQLite takes as well, keep "
            "the rows in a Table, or read the stored read model, which store.catch_up(...) makes."
        )


async def _applied(source: Backend, database: Backend, runtime: Runtime, projection: Projection, until: int) -> None:
    build = await active_build(database, runtime.clock, projection)
    work = await take_up(database, projection, build, 0)
    while work is not None and await step(source, database, runtime, work, until=until) is not None:
        pass


def _key(table: Table[R], row: R) -> object:
    values = [getattr(row, name) for name in table.key]
    return tuple(values) if len(values) > 1 else values[0]
