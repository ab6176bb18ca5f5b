"""Filters: which events a page shows, as its URL says it, and how they are found without reading the whole store."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from msgspec import Struct, structs

from refold.aio import AsyncStore
from refold.eventlogs.recorded import record_of
from refold.messages import Recorded
from refold.query import Query, QueryItem
from refold.studio.asking import Ask
from refold.studio.stored import SIZE, size_of
from refold.studio.tokens import as_text

PAGE: Final = 60
_BUDGET: Final = 0.15
"""Seconds after which a search through payloads pauses, and says where to go on."""


class Filters(Struct, frozen=True):
    """What is asked for. The store selects by the first of stream, type and category; the rest is looked at one by one."""

    category: str = ""
    stream: str = ""
    type: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def source(self) -> Mapping[str, Any]:
        """What of them the store selects by."""
        if self.stream:
            return {"stream": self.stream}
        if self.type:
            return {"query": Query(frozenset({QueryItem(frozenset({self.type}))}))}
        return {"category": self.category} if self.category else {}

    @property
    def is_narrow(self) -> bool:
        """Whether events are looked at one by one."""
        return bool(self.text or (self.type and (self.stream or self.category)) or (self.stream and self.category))

    def matches(self, event: Recorded[Any]) -> bool:
        """Whether an event that the store selected is meant."""
        if (self.category and event.stream.category != self.category) or (self.type and event.type != self.type):
            return False
        if self.stream and str(event.stream) != self.stream:
            return False
        return not self.text or self.text.casefold() in as_text(record_of(event).data).casefold()


class Found(Struct, frozen=True):
    """A page of events, the newest first. `older` and `newer` are cursors; `paused`: the search can go on at `older`."""

    events: Sequence[Recorded[Any]]
    older: int | None
    newer: int | None
    paused: bool = False


def filters_of(ask: Ask) -> Filters:
    """What the URL asks for.

    Raises:
        Declined: 400, a time is none; 403, the category may not be read.
    """
    asked = Filters(
        ask.param("category"),
        ask.param("stream"),
        ask.param("type"),
        ask.param("text"),
        ask.moment("since"),
        ask.moment("until"),
    )
    named = [asked.category] if asked.category else []
    ask.access.check("read", [*named, *([asked.stream.partition("-")[0]] if asked.stream else [])])
    return asked


async def find(store: AsyncStore, asked: Filters, before: int | None, after: int | None, limit: int = PAGE) -> Found:
    """A page: before a position, after one, or the newest."""
    if after is not None:
        newer = await _scan(store, asked, "forward", after, limit)
        if newer.more:
            events = newer.events[::-1]
            return Found(events, *_ends(events, older=True, newer=True))
        before = None
    older = await _scan(store, asked, "backward", before, limit)
    low, high = _ends(older.events, older=older.more, newer=before is not None or asked.until is not None)
    return Found(older.events, older.reached if older.paused else low, high, older.paused)


def _ends(events: Sequence[Recorded[Any]], *, older: bool, newer: bool) -> tuple[int | None, int | None]:
    low = int(events[-1].position) if events and older else None
    return low, int(events[0].position) if events and newer else None


class _Scanned(Struct):
    events: list[Recorded[Any]]
    reached: int = 0
    more: bool = False
    paused: bool = False
    size: int = 0


async def _scan(
    store: AsyncStore, asked: Filters, direction: Literal["forward", "backward"], place: int | None, limit: int
) -> _Scanned:
    """So many that are meant, and whether there are more; what is stored as one event is not parted."""
    found, began = _Scanned([]), time.monotonic()
    places = await _in_stream(store, asked, direction, place) if asked.stream else {"after": place}
    wanted = None if asked.is_narrow else limit + 1
    async for event in store.read(
        **asked.source, **places, since=asked.since, until=asked.until, direction=direction, limit=wanted
    ):
        found.reached = int(event.position)
        if asked.matches(event):
            is_full = len(found.events) >= limit or found.size >= SIZE
            if is_full and found.events[-1].position != event.position:
                found.more = True
                return found
            found.events.append(event)
            found.size += size_of(event)
        if asked.is_narrow and time.monotonic() - began > _BUDGET:
            found.more = found.paused = True
            return found
    return found


async def _in_stream(store: AsyncStore, asked: Filters, direction: str, place: int | None) -> Mapping[str, Any]:
    """A position as a version of the stream: what reads of one go by."""
    if place is None:
        return {"after": None}
    async for event in store.read(after=place - 1, limit=1, journals=True):
        if str(event.stream) == asked.stream and event.position == place:
            return {"after": event.version}
    return {"after": 0 if direction == "forward" else None}


def as_params(asked: Filters) -> Mapping[str, str]:
    """The filters as parameters of a URL."""
    given = structs.asdict(asked)
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in given.items() if value}
