"""Charting: what came in over a span of time, by category, and how long streams are. Made beside the pages, as counts are.

Positions are looked up at the bounds of bars, so how many events a bar has is told without reading them; of which categories
these are is told by a few of them, spread over the bar, or by all where there are few.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from msgspec import Struct

from refold.aio import AsyncStore
from refold.errors import RefoldError
from refold.messages import OWN
from refold.ports import StreamInfo

SPANS: Final[Mapping[str, tuple[timedelta, int]]] = {
    "hour": (timedelta(minutes=2), 30), "day": (timedelta(hours=1), 24), "week": (timedelta(hours=6), 28),
    "month": (timedelta(days=1), 30), "year": (timedelta(days=7), 53),
}  # fmt: skip
"""How wide bars are, and how many."""
LOOKED: Final = 1_000
"""Streams whose lengths are looked at."""
LONGEST: Final = 10
_STRETCHES: Final = 3
_STRETCH: Final = 40
"""So many events are read at so many places of a bar."""
_PATIENCE: Final = 0.12
_SHARE: Final = 20
"""As of counts: seconds that a page waits, and the part of the time that may be spent."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Bar(Struct, frozen=True):
    """So many events from a time on, and the share of each category, in thousandths."""

    since: datetime
    events: int
    shares: Mapping[str, int]


class Chart(Struct, frozen=True):
    """Bars up to the newest event. `sampled`: the shares of some are those of a few of their events."""

    bars: Sequence[Bar]
    width: timedelta
    sampled: bool

    @property
    def most(self) -> int:
        """The height of the highest bar."""
        return max((bar.events for bar in self.bars), default=0)


class Lengths(Struct, frozen=True):
    """How many streams have from so many events to so many, and the longest. `more`: not all were looked at."""

    groups: Sequence[tuple[int, int, int]]
    longest: Sequence[StreamInfo]
    looked: int
    more: bool


Made: TypeAlias = Chart | Lengths


class _Making(Struct):
    """Something that is made, what of it is known, and what it cost."""

    known: Made | None = None
    head: int = -1
    cost: float = 0.0
    ended: float = float("-inf")
    task: asyncio.Task[None] | None = None


class Charts:
    """The charts of a store, each made by one task at a time, and anew when something came."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._makings: dict[str, _Making] = {}

    async def over(self, span: str) -> Chart | None:
        """What came in over a span; None as long as it is looked up for the first time."""
        width, count = SPANS[span]
        found = await self._made(span, lambda: chart(self._store, width, count))
        return found if isinstance(found, Chart) else None

    async def lengths(self) -> Lengths | None:
        """How long streams are; None as long as that is looked up for the first time."""
        found = await self._made("lengths", lambda: lengths(self._store))
        return found if isinstance(found, Lengths) else None

    async def close(self) -> None:
        """Let go of what is under way."""
        tasks = [each.task for each in self._makings.values() if each.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _made(self, name: str, make: Callable[[], Awaitable[Made]]) -> Made | None:
        making = self._makings.setdefault(name, _Making())
        if making.task is None or (making.task.done() and time.monotonic() - making.ended >= _SHARE * making.cost):
            making.task = asyncio.ensure_future(self._make(making, make))
        if not making.task.done() and (making.known is None or making.cost < _PATIENCE):
            await asyncio.wait({making.task}, timeout=_PATIENCE)
        return making.known

    async def _make(self, making: _Making, make: Callable[[], Awaitable[Made]]) -> None:
        began = time.monotonic()
        with contextlib.suppress(RefoldError):  # a page that needs the store will say what is wrong with it
            head = int(await self._store.head())
            if making.head != head:
                making.known, making.head = await make(), head
        making.ended = time.monotonic()
        making.cost = making.ended - began


async def chart(store: AsyncStore, width: timedelta, count: int) -> Chart:
    """So many bars, the last of which has the newest event; bars begin at whole hours, days, ..."""
    last: datetime | None = None
    async for event in store.read(direction="backward", limit=1, journals=True):
        last = event.recorded_at
    if last is None:
        return Chart((), width, sampled=False)
    first = _EPOCH + width * ((last - _EPOCH) // width - count + 1)
    bounds = [first + width * index for index in range(count)]
    edges = [*[await _before(store, bound) for bound in bounds], int(await store.head())]
    parts = [await _shares(store, edges[at], edges[at + 1]) for at in range(count)]
    bars = [Bar(bound, max(0, edges[at + 1] - edges[at]), parts[at]) for at, bound in enumerate(bounds)]
    return Chart(bars, width, sampled=any(bar.events > _STRETCHES * _STRETCH for bar in bars))


async def _before(store: AsyncStore, bound: datetime) -> int:
    """The position of the last event before a time."""
    async for event in store.read(since=bound, limit=1, journals=True):
        return int(event.position) - 1
    return int(await store.head())


async def _shares(store: AsyncStore, after: int, until: int) -> Mapping[str, int]:
    """The categories of the events between two positions, by some of them, in thousandths."""
    found = Counter[str]()
    if until <= after:
        return {}
    is_small = until - after <= _STRETCHES * _STRETCH
    for index in range(1 if is_small else _STRETCHES):
        start = after + (until - after) * index // _STRETCHES
        limit = until - after if is_small else _STRETCH
        async for event in store.read(after=start, limit=limit, journals=True):
            if event.position <= until:
                found[event.stream.category] += 1
    return {name: 1_000 * events // found.total() for name, events in found.most_common()}


async def lengths(store: AsyncStore) -> Lengths:
    """How long the first streams are, by name; those of Refold's own are not its business."""
    found: list[StreamInfo] = []
    more = False
    async for info in store.streams():
        if not info.stream.startswith(OWN):
            more = len(found) >= LOOKED
            if more:
                break
            found.append(info)
    powers = Counter(info.version.bit_length() - 1 for info in found)
    groups = [(2**power, 2 ** (power + 1) - 1, powers[power]) for power in range(max(powers, default=-1) + 1)]
    longest = sorted(found, key=lambda info: (-info.version, info.stream))[:LONGEST]
    return Lengths(groups, longest, len(found), more)
