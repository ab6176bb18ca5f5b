"""Counts of the whole store: made beside the pages, since a large store takes its time, and as fresh as that allows."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from refold.aio import AsyncStore
from refold.errors import RefoldError, UndecodableEvent, UnknownEventType
from refold.ports import Stats

BARS: Final = 48
_PATIENCE: Final = 0.12
"""Seconds that a page waits for counts; then it shows those from before, or none."""
_SHARE: Final = 20
"""Counting takes at most one part in so many of the time."""
_AHEAD: Final = 2_000
"""Events that are read to bring counts along; where more came, all is counted anew."""
CAPPED: Final = 200_000
"""Events up to which a store is counted whole. Who reads it otherwise waits meanwhile, so that must not take long."""
NEWEST: Final = 50_000
"""So many of the newest events are counted of a store that is larger."""
_WHOLE: Final = 600.0
"""Seconds after which all is counted anew: what takes room on the disk, say, is not told by events."""


class Bar(Struct, frozen=True):
    """How many positions were given out from a time on, until the next bar."""

    since: datetime
    events: int


class Counts(Struct, frozen=True):
    """What the store holds, and when it came. `newest`: types and categories are those of so many events, the newest, alone."""

    stats: Stats
    newest: int | None
    activity: Sequence[Bar]
    width: timedelta

    @property
    def most(self) -> int:
        """The height of the highest bar."""
        return max((bar.events for bar in self.activity), default=0)


class Tally:
    """The newest counts. One task at a time makes them: a store is counted whole once, and then told what came since."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._known: Counts | None = None
        self._cost, self._ended, self._whole = 0.0, float("-inf"), float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def counts(self) -> Counts | None:
        """What is known; None as long as a large store is counted for the first time."""
        if self._task is None or (self._task.done() and time.monotonic() - self._ended >= _SHARE * self._cost):
            self._task = asyncio.ensure_future(self._count())
        if not self._task.done() and (self._known is None or self._cost < _PATIENCE):
            await asyncio.wait({self._task}, timeout=_PATIENCE)
        return self._known

    async def ready(self) -> None:
        """Wait for the first counts, however long they take."""
        await self.counts()
        if self._task is not None:
            await self._task

    async def close(self) -> None:
        """Let go of the count that is under way."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _count(self) -> None:
        began = time.monotonic()
        with contextlib.suppress(RefoldError):  # a page that needs the store will say what is wrong with it
            stats, newest = await self._stats()
            if self._known is None or self._known.stats != stats:
                self._known = Counts(stats, newest, *await activity(self._store, stats))
        self._ended = time.monotonic()
        self._cost = self._ended - began

    async def _stats(self) -> tuple[Stats, int | None]:
        known = self._known
        if known is not None and time.monotonic() - self._whole < _WHOLE:
            later = await since(self._store, known.stats)
            if later is not None:
                return later, None if known.newest is None else known.newest + later.events - known.stats.events
        is_large = int(await self._store.head()) > CAPPED
        stats, newest = await of_the_newest(self._store) if is_large else (await self._store.stats(), None)
        self._whole = time.monotonic()
        return stats, newest


async def of_the_newest(store: AsyncStore) -> tuple[Stats, int]:
    """Counts of the newest events, read page by page, so that nobody waits for long; and how many these are.

    How many events there are in all is told by the newest position; of streams and of the disk nothing is known.
    """
    types, categories = Counter[str](), Counter[str]()
    head, last, first = int(await store.head()), None, None
    async for event in store.read(direction="backward", limit=NEWEST, journals=True):
        last = last or event.recorded_at
        types[event.type] += 1
        categories[event.stream.category] += 1
    async for event in store.read(limit=1, journals=True):
        first = event.recorded_at
    return Stats(head, 0, dict(types), dict(categories), head, first, last, 0), sum(types.values())


async def since(store: AsyncStore, known: Stats) -> Stats | None:
    """The counts with what came since; None if that is too much to read, or cannot be."""
    if int(await store.head()) == known.head:
        return known
    try:
        came = [event async for event in store.read(after=known.head, limit=_AHEAD + 1, journals=True)]
    except (UnknownEventType, UndecodableEvent):
        return None
    if len(came) > _AHEAD or not came:
        return None
    return replace(
        known, events=known.events + len(came), streams=known.streams + sum(event.version == 1 for event in came),
        types=_more(known.types, (event.type for event in came)),
        categories=_more(known.categories, (event.stream.category for event in came)),
        head=int(came[-1].position), last_recorded_at=came[-1].recorded_at,
        first_recorded_at=known.first_recorded_at or came[0].recorded_at,
    )  # fmt: skip


def _more(known: Mapping[str, int], came: Iterable[str]) -> Mapping[str, int]:
    return dict(Counter(known) + Counter(came))


async def activity(store: AsyncStore, stats: Stats) -> tuple[Sequence[Bar], timedelta]:
    """The life of the store in bars: positions are looked up at their bounds, so no event in between is read."""
    first, last = stats.first_recorded_at, stats.last_recorded_at
    if first is None or last is None:
        return (), timedelta()
    width = max((last - first) / BARS, timedelta(milliseconds=1))
    bounds = [first + width * index for index in range(BARS)]
    before = [await _positions_before(store, bound) for bound in bounds[1:]]
    edges = [0, *before, stats.head]
    return [Bar(bound, max(0, edges[at + 1] - edges[at])) for at, bound in enumerate(bounds)], width


async def _positions_before(store: AsyncStore, bound: datetime) -> int:
    async for event in store.read(since=bound, limit=1, journals=True):
        return int(event.position) - 1
    return int(await store.head())
