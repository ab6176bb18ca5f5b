"""Follow: catch up page after page, then wait for what comes. No event is left out, and none is given twice."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Iterator
from datetime import datetime
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar, cast

from msgspec.structs import replace

from refold.errors import Unreadable, UsageError, shortened
from refold.flows.prepare import Runtime
from refold.flows.read import as_stored, opened_all, wanted, without_journals
from refold.messages import Recorded, StreamName
from refold.ports import PAGE, Backend, InStream, Matching, Selection
from refold.query import Query
from refold.rows import Row

T = TypeVar("T")

Start: TypeAlias = int | Literal["end"] | None
"""After which place: a version of the stream, or else a position; the end of the store; or nothing, which is the beginning."""

LONGEST: Final = 60.0
"""Seconds that one wait takes at most."""


def checked_timeout(timeout: float) -> float:
    """Raises `UsageError` if it is no number, or nan, which is never over."""
    if not isinstance(cast("object", timeout), int | float) or math.isnan(timeout):
        raise UsageError(f"timeout={shortened(timeout)} is no time to wait: give seconds, 0 for not at all.")
    return timeout


class Engine(Protocol):
    """Runs flows, and knows when something was appended."""

    def now(self) -> float:
        """Seconds, of a clock that only rises."""
        ...

    async def wait(self, after: int, seconds: float, /) -> int:
        """The head, as soon as it is above `after`; or as it is, when the seconds are over or there is reason to look up."""
        ...

    async def outside(self, flow: Callable[[Backend], Coroutine[Any, Any, T]], /) -> T:
        """What comes of a flow."""
        ...


class Follower:
    """Where one subscription stands: what was read and is still to be handed out, and up to where the store was read.

    `position`: everything selected up to here was handed out; a version, when a stream is followed.
    """

    def __init__(
        self, runtime: Runtime, selection: Selection, *, from_end: bool, idle: float, journals: bool = False
    ) -> None:
        self.position = selection.after or 0
        self.closed = False
        self._runtime, self._selection, self._from_end, self._idle = runtime, selection, from_end, idle
        self._journals = journals
        self.by_version = isinstance(selection.source, InStream)
        self._seen = 0 if self.by_version else self.position
        self._head = 0
        self._most: int = runtime.reads.rows
        self._query: Query | None = None
        self._rows: list[Row] = []
        self._events: Iterator[Recorded[Any]] | None = None

    def taken(self) -> Recorded[Any] | None:
        """The next event of those that were read, handed out; `None`: read on.

        Raises:
            UnknownEventType, UndecodableEvent: it cannot be read, and stays the next one.
        """
        while self._rows and not self.closed:
            event = self._next()
            if event.part == event.parts:
                self._handed_out(self._rows.pop())
            if self._query is None or self._query.matches(event.type, event.tags):
                return event
        return None

    def _next(self) -> Recorded[Any]:
        if self._events is None:
            self._events = opened_all(self._runtime.codec.known, self._rows[::-1])
        try:
            return next(self._events)
        except Unreadable:
            self._events = None  # the class may be bound before it is asked for again
            raise

    def _handed_out(self, row: Row) -> None:
        if self.by_version:
            self.position = row.version
        else:
            self.position = row.position if self._rows else self._seen

    async def begin(self, engine: Engine) -> None:
        """Find the end, if it is there that the subscription starts."""
        if self._from_end:
            self._seen, self.position = await engine.outside(self._end)
            self._selection = replace(self._selection, after=self.position)
            self._from_end = False

    async def _end(self, backend: Backend) -> tuple[int, int]:
        head = await backend.head()
        source = self._selection.source
        return head, await backend.version(source.stream) if isinstance(source, InStream) else head

    async def more(self, engine: Engine) -> bool:
        """Read the next page as soon as there is one; false: it is over.

        First the head, then the rows up to it: what is appended in between is found above that head the next time.
        """
        await self.begin(engine)
        over = engine.now() + self._idle
        while not (self._rows or self.closed):
            left = over - engine.now()
            looked = self._head <= self._seen
            if looked:
                self._head = await engine.wait(self._seen, max(0.0, min(left, LONGEST)))
            if self._head > self._seen:
                await self._read(engine)
            if looked and left <= 0 and not self._rows:
                self.closed = True
        return not self.closed

    async def _read(self, engine: Engine) -> None:
        limit = min(PAGE, self._most)
        selection = replace(self._selection, position_until=self._head, limit=limit)
        stored = as_stored(self._runtime, selection)
        self._query = (
            selection.source.query if stored is not selection and isinstance(selection.source, Matching) else None
        )
        reads, found = self._runtime.reads, await engine.outside(lambda backend: backend.read(stored))
        rows = reads.kept(found)
        seen = reads.shown(rows if self._journals else without_journals(stored, rows))
        self._rows, self._events = list(reversed(seen)), None
        self._seen = self._head if len(rows) == len(found) < limit else rows[-1].position
        self._most = reads.most_after(found, rows)
        if not self.by_version:
            self._selection = replace(self._selection, after=self._seen)
            self.position = self.position if seen else self._seen
        elif rows:
            self._selection = replace(self._selection, after=rows[-1].version)


def follower(
    runtime: Runtime,
    stream: StreamName | str | None,
    category: str | None,
    query: Query | None,
    correlation_id: str | None,
    *,
    after: Start,
    since: datetime | None,
    idle: float | None,
    journals: bool = False,
) -> Follower:
    """What a call of `subscribe` asks for.

    Raises:
        UsageError: more than one source is named, `after` is a text other than "end", `idle` is negative, or `since` has no
            time zone.
    """
    if isinstance(after, str) and after != "end":
        raise UsageError(f'after={after!r} is no place to start: give a version or a position, "end", or None.')
    if idle is not None and not idle >= 0:
        raise UsageError(f"idle={idle} is no time to wait: give seconds, 0 or more, or None to go on for ever.")
    place = None if isinstance(after, str) else after
    rest = wanted(
        stream, category, query, correlation_id, after=place, since=since, until=None, direction="forward", limit=None
    )
    return Follower(
        runtime, rest.selection, from_end=after == "end", idle=math.inf if idle is None else idle, journals=journals
    )
