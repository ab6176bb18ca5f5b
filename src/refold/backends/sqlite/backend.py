"""The port on SQLite, in plain blocking code: the methods are `async` in spelling only and never suspend."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal, TypeVar

import apsw

from refold.archives import Archives, NoArchive
from refold.backends.sqlite import reading, surveying
from refold.backends.sqlite.connection import Translation, as_ours, connected
from refold.backends.sqlite.guard import Guard
from refold.backends.sqlite.location import Location
from refold.backends.sqlite.writing import write
from refold.columns import SqlValue
from refold.errors import OutcomeUnknown, StoreError, StoreReadOnly, UsageError
from refold.ports import (
    Append,
    Appended,
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
    Unclaimed,
    Within,
)
from refold.projection import Statement, neighbours
from refold.rows import Payload, Row

T = TypeVar("T")


class SqliteBackend:
    """One connection, used by one thread at a time."""

    def __init__(self, location: Location, archives: Archives | None = None) -> None:
        """`archives`: what its reads do about archived events; of its own, it tells that they are there."""
        self._location, self._archives, self._has_archive = location, archives or NoArchive(), False
        self._db, self._changes = connected(location), 0
        self.handed: dict[object, Any] | None = None
        self._translated = Translation(location)
        self._guard = Guard()
        self._db.authorizer = self._guard
        self.capabilities = Capabilities("sqlite", durability=location.durability, sql=True)

    async def append(self, append: Append) -> AppendResult:
        if not self._db.in_transaction:
            return await self.within(lambda inside: inside.append(append))
        with self._translated:
            result = write(self._db, append)
        self._changes += isinstance(result, Appended)
        return result

    async def read(self, selection: Selection) -> Sequence[Row]:
        if not self._has_archive:
            found = await self.live_rows(selection, strict=False)
            if not self._looked():
                return found
        return await self._archives.page(self, selection)

    async def payloads(self, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        with self._translated:
            found = reading.payloads(self._db, stream, after, until)
            if found or not self._looked():
                return found
        return await self._archives.payloads(self, stream, after, until)

    async def find(self, ids: Sequence[bytes]) -> Sequence[Row]:
        if not self._has_archive:
            found = await self.live_find(ids)
            if not self._looked():
                return found
        return await self._archives.find(self, ids)

    def _looked(self) -> bool:
        """Whether there is an archive, after something was read: if there is none now, there was none then."""
        if not self._has_archive:
            with self._translated:
                self._has_archive = surveying.has_archive(self._db)
        return self._has_archive

    async def live_rows(self, selection: Selection, *, strict: bool) -> Sequence[Row]:
        with self._translated:
            return reading.rows(self._db, selection, strict=strict)

    async def live_payloads(self, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        with self._translated:
            return reading.payloads(self._db, stream, after, until)

    async def live_find(self, ids: Sequence[bytes]) -> Sequence[Row]:
        with self._translated:
            return reading.by_ids(self._db, ids)

    async def head(self) -> int:
        with self._translated:
            return reading.head(self._db)

    async def version(self, stream: str) -> int:
        with self._translated:
            return surveying.version(self._db, stream)

    async def request(self, key: str) -> Outcome | None:
        with self._translated:
            return surveying.outcome(self._db, key)

    async def streams(self, after: str, prefix: str, limit: int) -> Sequence[StreamInfo]:
        with self._translated:
            return surveying.streams(self._db, after, prefix, limit)

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        self._changes += 1
        with self._transaction():
            return [rows for group in neighbours(steps) for rows in self._group(group)]

    async def within(self, flow: Within[T]) -> T:
        with self._transaction():
            return await flow(self)

    async def query(self, statement: Own | Statement) -> Rows:
        with self._translated:
            if isinstance(statement, Own):
                return self._group([statement])[0]
            return self._run("read", statement)

    async def stats(self) -> Stats:
        with self._translated:
            return surveying.stats(self._db)

    async def verify(self, after: int, limit: int) -> Sequence[Damage]:
        with self._translated:
            return surveying.damages(self._db, after, limit)

    async def tenant(self, name: str) -> Backend:
        return SqliteBackend(self._location.tenant(name), self._archives.tenant(name))

    async def close(self) -> None:
        self._db.close()

    def reader(self) -> Backend | None:
        return None if self._location.in_memory else SqliteBackend(replace(self._location, mode="ro"), self._archives)

    # SQL of the application -----------------------------------------------------

    def _group(self, group: Sequence[Own | Statement]) -> Sequence[Rows]:
        first = group[0]
        if isinstance(first, Own):
            rows = self._db.execute(owned(first.text), first.params).fetchall()
            if first.must and not rows:
                raise Unclaimed
            return [rows]
        if len(group) == 1:
            return [self._run("write", first)]
        self._run("write", first, [statement.params for statement in group if isinstance(statement, Statement)])
        return [()] * len(group)

    def _run(
        self, mode: Literal["read", "write"], statement: Statement, many: Sequence[Mapping[str, SqlValue]] = ()
    ) -> Rows:
        """Every row of it. The guard is asked when SQL is compiled, so ours and theirs must not share a cached statement."""
        one, text = ";" not in statement.text, f"/* {mode} */ {statement.text}"
        try:
            with self._guard.allowing(mode, statement.text):
                if many:
                    return self._db.executemany(text, many, can_cache=one).fetchall()
                return self._db.execute(text, statement.params, can_cache=one).fetchall()
        except UsageError as error:
            if mode == "write" and not self._db.in_transaction:
                raise StoreError(
                    f"this SQL rolled back the whole transaction, and what else was in it: write no OR ROLLBACK: {statement.text}"
                ) from error
            raise

    # Transactions -------------------------------------------------------------

    def begin(self) -> None:
        if self._location.mode == "ro":
            raise StoreReadOnly(f"{self._location.path!r} was opened with mode=ro. Nothing was written.")
        with self._translated:
            self._db.execute("begin immediate")
        self.handed = {}

    def commit(self) -> None:
        self.handed = None
        try:
            self._db.execute("commit")
        except apsw.IOError as error:  # the commit record may have reached the file although its fsync failed
            self.roll_back()
            raise OutcomeUnknown(error) from error
        except apsw.Error as error:
            self.roll_back()
            raise as_ours(error, self._location) from error

    def roll_back(self) -> None:
        self.handed = None
        if self._db.in_transaction:
            self._db.execute("rollback")

    def mark(self) -> int:
        return self._changes

    @contextmanager
    def attempt(self) -> Generator[None, None, None]:
        """A part of a group, undone alone."""
        with self._translated:
            self._db.execute("savepoint attempt")
        try:
            yield
        except BaseException:
            self.handed = {}
            if self._db.in_transaction:
                self._db.execute("rollback to attempt")
                self._db.execute("release attempt")
            raise
        with self._translated:
            self._db.execute("release attempt")

    @contextmanager
    def _transaction(self) -> Generator[None, None, None]:
        """A transaction of its own, unless a group is open, which then undoes what fails."""
        if self._db.in_transaction:
            with self._translated:
                yield
            return
        self.begin()
        try:
            with self._translated:
                yield
        except BaseException:
            self.roll_back()
            raise
        self.commit()


@lru_cache(maxsize=256)
def owned(text: str) -> str:
    """SQL of our own, as it is written here: the machine's clock, which all processes at a file share, tells the time."""
    return text.replace("{refold}", "refold_").replace("{now}", ":now")
