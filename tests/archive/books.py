"""Books of several years, all that can be read of a store, and archives of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from refold import NewEvent, Query, RawEvent, Store
from refold.archive.files import Files
from refold.archive.threaded import stepped
from refold.clock import Clock
from refold.flows.archiving import Closed as Ended
from refold.flows.archiving import Moved, Tell, archive, closed_streams, restore
from refold.flows.read import all_rows
from refold.opening import open_blocking
from refold.ports import EVERYTHING, Backend, InCategory, InStory, InStream, Matching, Selection, Source
from refold.query import QueryItem
from refold.rows import Row
from refold.testing.contract.closing import Close, Closed, Opened, Write, Written, closing

EVENTS: Final = (RawEvent, Written, Closed, Opened)
NOW: Final = 10**16
"""Microseconds: long after all that happens in these tests."""
SOURCES: Final[Sequence[Source]] = (
    EVERYTHING,
    InCategory("book"),
    InCategory("note"),
    InStream("book-a"),
    InStream("book-a@2"),
    InStream("book-b"),
    InStream("note-1"),
    InStory("s1"),
    Matching(Query.of(types=["book.written"])),
    Matching(Query.of(types=["book.closed", "book.opened"])),
    Matching(Query.of(tags=["red"])),
    Matching(Query.of(tags=["red", "blue"])),
    Matching(Query.of(tags=["$period:book-a"])),
    Matching(Query(frozenset({QueryItem(tags=frozenset({"blue"})), QueryItem(types=frozenset({"book.closed"}))}))),
    Matching(
        Query(
            frozenset({QueryItem(frozenset({"book.written"}), frozenset({"red"})), QueryItem(tags=frozenset({"blue"}))})
        )
    ),
)


def write_books(url: str, years: int, things: str = "abc", *, clock: Clock | None = None) -> None:
    """Some events in each year of each thing, then the end of the year; and notes between them."""
    with Store.open(url, events=EVENTS, clock=clock) as store:
        for year in range(1, years + 1):
            for thing in things:
                ledger = store.context(s="1").bind(closing)
                ledger.handle(thing, Write(year))
                store.append("note-1", [NewEvent(RawEvent("note", {"n": year}), tags=frozenset({"red"}))])
                ledger.handle(thing, Close(year))


@contextmanager
def opened(url: str, place: Path | str | None = None) -> Generator[Backend]:
    """The backend alone."""
    backend = open_blocking(url, None if place is None else str(place))
    try:
        yield backend
    finally:
        stepped(backend.close())


def archived(
    url: str,
    place: Path | str,
    before: int = NOW,
    choose: Callable[[Ended], bool] = lambda _: True,
    tell: Tell | None = None,
) -> Moved:
    """Archive what is closed, and old enough."""
    with opened(url) as backend:
        streams = [each for each in stepped(closed_streams(backend, before)) if choose(each)]
        return stepped(archive(backend, Files(str(place)), streams, NOW, "the id of the archive", tell))


def restored(url: str, place: Path | str, *streams: str, tell: Tell | None = None) -> Moved:
    """Bring streams back, or all."""
    with opened(url) as backend:
        return stepped(restore(backend, Files(str(place)), streams, tell))


def raw(backend: Backend) -> Sequence[Row]:
    """Every event, with all of its bytes."""

    async def listed() -> Sequence[Row]:
        return [row async for row in all_rows(backend, Selection())]

    return stepped(listed())


def answers(backend: Backend) -> Mapping[str, Any]:
    """What a store answers to everything that it can be asked about its events."""
    rows = raw(backend)
    streams = sorted({row.stream for row in rows} | {"book-z"})
    stats = stepped(backend.stats())
    times = sorted({row.recorded_at for row in rows})
    bounds = [(None, None), *[(moment, len(rows) - 1) for moment in times[len(times) // 3 :][:1]]]
    return {
        "pages": {
            str((source, backward, limit, since, until)): _walked(
                backend, Selection(source, None, backward, limit, recorded_from=since, position_until=until)
            )
            for source, backward, limit, (since, until) in product(SOURCES, (False, True), (2, 1_000), bounds)
        },
        "payloads": [
            list(stepped(backend.payloads(stream, after, until)))
            for stream, after, until in product(streams, (0, 1), (1, None))
        ],
        "versions": [stepped(backend.version(stream)) for stream in streams],
        "streams": [
            list(stepped(backend.streams(after, prefix, 3)))
            for after, prefix in product(("", "book-a", "note-0"), ("", "b"))
        ],
        "found": list(stepped(backend.find([*[row.id for row in rows], bytes(16)]))),
        "head": stepped(backend.head()),
        "stats": replace(stats, bytes=0, types=dict(stats.types), categories=dict(stats.categories)),
        "damages": list(stepped(backend.verify(0, 10_000))),
    }


def _walked(backend: Backend, selection: Selection) -> Sequence[Row]:
    found: list[Row] = []
    while page := stepped(backend.read(selection)):
        assert len(page) <= selection.limit
        found += page
        last = page[-1]
        selection = replace(selection, after=last.version if isinstance(selection.source, InStream) else last.position)
    return found
