"""The port on PostgreSQL: one source for both colours, since the session below it has one."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar

import psycopg

from refold.archives import Archives, NoArchive
from refold.backends.postgres import reading, schema, surveying
from refold.backends.postgres.appending import Appends
from refold.backends.postgres.joining import joined
from refold.backends.postgres.listening import AwaitingEars, BlockingEars, Ears, Polling, wait
from refold.backends.postgres.location import PostgresLocation
from refold.backends.postgres.named import numbered
from refold.backends.postgres.session import AwaitingSession, BlockingSession, Bound, Many, Must, Session, Steady, lost
from refold.backends.postgres.standbys import reads
from refold.backends.postgres.troubles import as_ours, translated
from refold.errors import OutcomeUnknown, StoreBusy, StoreReadOnly
from refold.migration import Migration
from refold.ports import (
    Append,
    AppendResult,
    Backend,
    Capabilities,
    Damage,
    Outcome,
    Own,
    Rows,
    Selection,
    Stats,
    StreamInfo,
    Within,
)
from refold.projection import Statement, neighbours
from refold.rows import Payload, Row

T = TypeVar("T")

DEADLOCKS: Final = 5
"""So often a transaction is begun that the server undoes since it and another one wait for each other."""


class PostgresBackend:
    """A schema of a database, used by any number of threads, or tasks, at once."""

    def __init__(
        self,
        session: Session,
        location: PostgresLocation,
        capabilities: Capabilities | None = None,
        ears: Ears | None = None,
        archives: Archives | None = None,
    ) -> None:
        """`ears`: those of the store whose tenant this is, which then closes them and the session.

        `archives`: what its reads do about archived events; of its own, it tells that they are there.
        """
        self._archives = archives or NoArchive()
        self.capabilities = capabilities or Capabilities("postgresql", durability="disk", sql=True)
        self._session, self._location = session, location
        self._lent, self._ears = ears is not None, ears or _ears(session, location)
        self._steady = reads(session, location)
        self._sql = reading.Statements(location.schema)
        self._has_archive = False
        self._survey = surveying.Statements(location.schema)
        self._payloads = reading.Payloads(session, self._steady, self._sql)
        self._appends = Appends(session, location.schema, location.busy_timeout, self)

    async def prepare(self) -> None:
        """See that the schema is there and of a format that is known; make it if there is none."""
        async with translated(self._location):
            await schema.prepare(self._session, self._location)
            durability = await schema.durability(self._steady)
            self.capabilities = Capabilities("postgresql", durability, sql=True)
            self._appends.confirms = durability == "quorum-disk"
            if self._location.read_only and await schema.is_standby(self._steady):
                self._ears = Polling(self._session)

    def joined(self, connection: object) -> Backend:
        """The same store, inside the transaction that is open on a connection of the application's."""
        return PostgresBackend(joined(connection), self._location, self.capabilities, archives=self._archives)

    async def append(self, append: Append) -> AppendResult:
        if self._location.read_only:
            raise StoreReadOnly("the store was opened with mode=ro. Nothing was written.")
        async with translated(self._location):
            return await self._appends.append(append)

    async def read(self, selection: Selection) -> Sequence[Row]:
        if not self._has_archive:
            async with translated(self._location):
                rows, marked = await reading.rows_and_mark(self._steady, self._sql, selection)
            if marked is False:
                return rows
            self._has_archive = bool(marked)  # for ever
        return await self._archives.page(self, selection)

    async def payloads(self, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        found, has_archive = await self._page(stream, after, until)
        return await self._archives.payloads(self, stream, after, until) if has_archive and not found else found

    async def find(self, ids: Sequence[bytes]) -> Sequence[Row]:
        return await self._archives.find(self, ids)

    async def live_rows(self, selection: Selection, *, strict: bool) -> Sequence[Row]:
        async with translated(self._location):
            return await reading.rows(self._steady, self._sql, selection, strict=strict)

    async def live_payloads(self, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        return (await self._page(stream, after, until))[0]

    async def _page(self, stream: str, after: int, until: int | None) -> reading.Page:
        async with translated(self._location):
            return await self._payloads.page(stream, after, until)

    async def live_find(self, ids: Sequence[bytes]) -> Sequence[Row]:
        async with translated(self._location):
            return await reading.by_ids(self._steady, self._sql, ids)

    async def head(self) -> int:
        return await self._number(self._sql.head)

    async def wait(self, after: int, seconds: float) -> int:
        async with translated(self._location):
            return await wait(self._session, self._ears, self._location.schema, self.head, after, seconds)

    async def version(self, stream: str) -> int:
        return await self._number(self._survey.version, (stream,))

    async def request(self, key: str) -> Outcome | None:
        async with translated(self._location):
            found = await self._steady.fetch(self._survey.outcome, (key,))
        return Outcome(*found[0]) if found else None

    async def streams(self, after: str, prefix: str, limit: int) -> Sequence[StreamInfo]:
        async with translated(self._location):
            return await surveying.streams(self._steady, self._survey, after, prefix, limit)

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        groups = list(neighbours(steps))
        models = self._location.models()
        texts = [*[""] * len(models), *(_shown(group[0]) for group in groups)]
        sent = [*models, *map(self._sent, groups)]
        found = await self._transaction(sent, texts)
        return [rows for group, rows in zip(groups, found[len(models) :], strict=True) for rows in [rows] * len(group)]

    async def _transaction(self, sent: Sequence[Bound | Many | Must], texts: Sequence[str]) -> Sequence[Rows]:
        """Run it whole; it is begun anew when the server broke a deadlock by undoing it."""
        for left in reversed(range(DEADLOCKS)):
            try:
                async with translated(self._location, texts):
                    return await self._session.transaction(sent)
            except StoreBusy as error:
                is_ours = isinstance(self._session, BlockingSession | AwaitingSession)  # and not one that was lent us
                if not is_ours or not left or not isinstance(error.__cause__, psycopg.errors.DeadlockDetected):
                    raise
        raise AssertionError  # the last attempt returned or raised

    async def within(self, flow: Within[T]) -> T:
        async with translated(self._location):
            try:
                async with self._session.held() as connection:
                    return await flow(self.joined(connection))
            except psycopg.Error as error:  # of the transaction itself: what runs in it tells its own
                if lost(error):
                    raise OutcomeUnknown(error) from error
                raise

    async def query(self, statement: Own | Statement) -> Rows:
        if isinstance(statement, Own):
            async with translated(self._location):
                return await self._steady.fetch(owned(statement.text, self._location.schema), dict(statement.params))
        ours: list[Bound] = [("set transaction read only", ()), *self._location.models()]
        async with translated(self._location, [*[""] * len(ours), statement.text]):
            return (await self._session.transaction([*ours, numbered(statement)]))[-1]

    async def stats(self) -> Stats:
        async with translated(self._location):
            return await surveying.stats(self._steady, self._survey)

    async def verify(self, after: int, limit: int) -> Sequence[Damage]:
        async with translated(self._location):
            return await surveying.damages(self._steady, self._survey, after, limit)

    async def tenant(self, name: str) -> Backend:
        location, archives = self._location.tenant(name), self._archives.tenant(name)
        backend = PostgresBackend(self._session, location, ears=self._ears, archives=archives)
        await backend.prepare()
        return backend

    async def close(self) -> None:
        if not self._lent:
            await self._ears.close()
            await self._session.close()

    def _sent(self, group: Sequence[Own | Statement]) -> Bound | Many | Must:
        first = group[0]
        if isinstance(first, Own):
            text = owned(first.text, self._location.schema)
            return Must(text, first.params) if first.must else (text, dict(first.params))
        if len(group) == 1:
            return numbered(first)
        return Many(numbered(first)[0], [dict(s.params) for s in group if isinstance(s, Statement)])

    async def _number(self, text: str, values: Sequence[str] = ()) -> int:
        async with translated(self._location):
            return int((await self._steady.fetch(text, values))[0][0])


@lru_cache(maxsize=256)
def owned(text: str, schema: str) -> str:
    """SQL of our own, as it is written here: the server's clock tells the time."""
    named = text.replace("{refold}", f'"{schema}".').replace(
        "{now}", "(extract(epoch from clock_timestamp()) * 1000000)::bigint"
    )
    return numbered(Statement(named, {"": None}))[0]


def _shown(step: Own | Statement) -> str:
    """What an error may show: SQL of the application's, not ours."""
    return "" if isinstance(step, Own) else step.text


def _ears(session: Session, location: PostgresLocation) -> Ears:
    polls = location.pooled or (location.several and location.read_only)  # a standby calls nothing out
    if isinstance(session, BlockingSession) and not polls:
        return BlockingEars(location)
    if isinstance(session, AwaitingSession) and not polls:
        return AwaitingEars(location)
    return Polling(session)


def opened_blocking(url: str, archives: Archives | None = None) -> PostgresBackend:
    """The store at a URL, for threads."""
    location = PostgresLocation.parse(url)
    backend = PostgresBackend(_connected(location), location, archives=archives)
    try:
        _stepped(backend.prepare())
    except BaseException:
        _stepped(backend.close())
        raise
    return backend


def _connected(location: PostgresLocation) -> BlockingSession:
    try:
        return BlockingSession(location)
    except psycopg.Error as error:
        raise as_ours(error, location) from error


def _stepped(steps: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine over a blocking session, which never suspends."""
    try:
        steps.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError(steps)


async def opened_awaiting(url: str, archives: Archives | None = None) -> PostgresBackend:
    """The store at a URL, for the tasks of the running event loop."""
    location = PostgresLocation.parse(url)
    session = AwaitingSession(location)
    backend = PostgresBackend(session, location, archives=archives)
    try:
        async with translated(location):
            await session.open()
        await backend.prepare()
    except BaseException:
        await backend.close()
        raise
    return backend


def migration_of(url: str) -> Migration:
    """What it takes to bring the store at a URL to the newest format."""
    location = PostgresLocation.parse(url)
    session = _connected(location)
    try:
        found = _stepped(_format(session, location))
    finally:
        _stepped(session.close())
    steps = schema.migrations(location, found) if found < schema.FORMAT else []
    sql = tuple(f"{text.strip().removesuffix(';')};" for text, _ in steps)
    return Migration(f"schema {location.schema!r}", found, schema.FORMAT, sql)


async def _format(session: BlockingSession, location: PostgresLocation) -> int:
    async with translated(location):
        return await schema.format_of(Steady(session, location.busy_timeout), location)
