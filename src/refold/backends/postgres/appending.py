"""Appends of many callers, sent to the server together: one round trip, one lock, one commit, each with its own outcome."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final, Protocol

import msgspec
import psycopg
from msgspec import Struct
from psycopg import errors

from refold.backends.postgres.asking import (
    GENERAL,
    ONE,
    SIMPLE,
    call,
    conditions,
    expectations,
    general_values,
    ids_of,
    is_one,
    is_simple,
    one_values,
    simple_values,
)
from refold.backends.postgres.lines import Line
from refold.backends.postgres.pools import Demoted
from refold.backends.postgres.session import PAUSE, Session, lost
from refold.errors import Archived, OutcomeUnknown, StoreError
from refold.ports import (
    PAGE,
    Append,
    Appended,
    AppendResult,
    Conflicted,
    Failure,
    Outcome,
    QueryMatched,
    StreamMoved,
)
from refold.query import Expected, ExpectedVersion
from refold.repeats import asked_before, repeated
from refold.rows import Payload, Row

GROUP: Final = 512
"""How many appends share a commit at most."""
EVENTS: Final = 5_000
"""How many events they may have together before the next group begins."""

_CONFIRM: Final = "select pg_logical_emit_message(true, 'refold', '')"


class Reads(Protocol):
    """What settling an append needs to read."""

    async def live_find(self, ids: Sequence[bytes]) -> Sequence[Row]:
        """The events with these ids, but those that are archived."""
        ...

    async def live_payloads(self, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        """A page of a stream, empty if it is archived."""
        ...


class Answer(Struct):
    """What the server says of one append."""

    done: tuple[int, int] | None = None
    versions: tuple[int, ...] = ()
    ids: bool = False
    archived: tuple[str, str] | None = None
    asked: tuple[str, str, int, int, int] | None = None
    streams: tuple[tuple[int, int], ...] = ()
    queries: tuple[tuple[int, int], ...] = ()


class Appends:
    """The appends of many callers."""

    def __init__(self, session: Session, schema: str, seconds: float, reads: Reads) -> None:
        self._session, self._seconds, self._reads = session, seconds, reads
        self._general = call(schema, "append", GENERAL)
        self._simple = call(schema, "append_simple", SIMPLE)
        self._one = call(schema, "append_one", ONE)
        self._line = Line[Append, Answer](session, _together, self._answers)
        self.confirms = False
        """Whether a commit waits for standbys, so that what is found in the log may not be on their disks yet."""

    async def append(self, append: Append) -> AppendResult:
        """Write everything or nothing, and settle what the server cannot."""
        return await self._settled(append, await self._line.ask(append))

    async def _answers(self, appends: Sequence[Append]) -> list[Answer]:
        """Send until there is an answer: the ids make a repeat safe, so it also settles what a broken connection left open."""
        deadline = time.monotonic() + self._seconds
        unknown: psycopg.Error | None = None
        while True:
            try:
                return await self._asked(appends)
            except psycopg.Error as error:
                unknown = error if lost(error) else unknown
                if not self._session.own or (unknown is None and not _outrun(error)):
                    raise
                if time.monotonic() > deadline:
                    if unknown is None:
                        raise
                    raise OutcomeUnknown(unknown) from error
            await self._session.pause(PAUSE)

    async def _asked(self, appends: Sequence[Append]) -> list[Answer]:
        if len(appends) == 1 and is_one(appends[0]):
            rows = await self._session.fetch(self._one, one_values(appends[0]))
            if rows[0][0] is not None:
                return [_simple_answer(rows[0], 1)]
        elif is_simple(appends[0]):
            counts = [len(append.writes[0].rows) for append in appends]
            rows = await self._session.fetch(self._simple, simple_values(appends, counts))
            if rows:
                return [_simple_answer(row, count) for row, count in zip(rows, counts, strict=True)]
        rows = await self._session.fetch(self._general, general_values(appends), plain=True)
        return [msgspec.json.decode(answer, type=Answer) for (answer,) in rows]

    async def _settled(self, append: Append, answer: Answer) -> AppendResult:
        if answer.done is not None:
            return Appended(tuple(range(answer.done[0], answer.done[1] + 1)), answer.versions)
        if answer.asked is not None and append.request is not None:
            await self._confirm()
            return asked_before(append.request, Outcome(*answer.asked))
        if answer.archived is not None:
            stream, place = answer.archived
            raise Archived(stream, place, is_written=True)
        if answer.ids:
            first = repeated(append, await self._found(append))
            if first is not None:
                await self._confirm()
                return first
        return Conflicted(tuple([failure async for failure in self._failures(append, answer)]))

    async def _confirm(self) -> None:
        """Wait until the standbys have all that is in the log: a commit is acknowledged after those before it."""
        if self.confirms:
            try:
                await self._session.fetch(_CONFIRM)
            except psycopg.Error as error:
                raise OutcomeUnknown(error) from error

    async def _found(self, append: Append) -> Sequence[Row]:
        try:
            return await self._reads.live_find(ids_of(append))
        except StoreError as error:  # it may be this very call that wrote them
            raise OutcomeUnknown(error) from error

    async def _failures(self, append: Append, answer: Answer) -> AsyncIterator[Failure]:
        streams = expectations(append)
        for index, actual in answer.streams:
            yield await self._moved(*streams[index], actual)
        for index, actual in answer.queries:
            yield QueryMatched(conditions(append)[index], actual)

    async def _moved(self, stream: str, expected: ExpectedVersion, actual: int) -> StreamMoved:
        if isinstance(expected, Expected):
            return StreamMoved(stream, expected, actual)
        tail = tuple(await self._reads.live_payloads(stream, expected, actual))
        reached = tail[-1][0] if tail else expected  # of an archived stream there is no tail here
        return StreamMoved(stream, expected, actual, tail, len(tail) < PAGE and reached >= actual)


def _outrun(error: psycopg.Error) -> bool:
    """Whether another transaction was first (position, lock), ours looked from an old snapshot, or another server writes now.

    Nothing was written.
    """
    return isinstance(error, errors.UniqueViolation | errors.SerializationFailure | errors.DeadlockDetected | Demoted)


def _together(waiting: Iterator[Append]) -> int:
    """How many appends, from the first on, one call of the server can take: many of the usual ones, or many of any."""
    streams: set[str] = set()
    ids: set[bytes] = set()
    count = events = 0
    are_simple = False
    for append in waiting:
        own = ids_of(append)
        if count == 0:
            are_simple = is_simple(append)
        elif count == GROUP or events >= EVENTS or (are_simple and not _fits(append, streams, ids)):
            break
        streams.update(write.stream for write in append.writes)
        ids.update(own)
        count += 1
        events += len(own)
    return count


def _fits(append: Append, streams: set[str], ids: set[bytes]) -> bool:
    return is_simple(append) and append.writes[0].stream not in streams and ids.isdisjoint(ids_of(append))


def _simple_answer(row: tuple[Any, ...], count: int) -> Answer:
    accepted, first, version = row
    if accepted:
        return Answer(done=(first, first + count - 1), versions=(version,))
    return Answer(streams=((0, version),))
