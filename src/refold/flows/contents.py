"""What a store holds as a whole, in a few figures that tell it from any other; and how far one is the beginning of another."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from hashlib import blake2b
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from refold.archives import Live
from refold.flows.archiving import records_of
from refold.flows.survey import verify_page
from refold.ports import Backend, Damage, Own, Selection
from refold.rows import Row

TABLES: Final = (
    "requests", "builds", "partitions", "applied", "dead_letters", "runners", "snapshots", "processes", "timers",
    "outgoing", "unsent", "archived", "archived_types",
)  # fmt: skip
"""Our own tables beside the events and their tags."""
_ARCHIVE: Final = """
select id, place, (select count(*) from {refold}archived), (select coalesce(sum(events), 0) from {refold}archived)
from {refold}archive"""

Tell = Callable[[str, int, int], object]
"""Told the stage, how far it is, and how far it goes."""


class Whole(Backend, Live, Protocol):
    """A backend of one database, which can also be read without its archive: SQLite's and PostgreSQL's."""


class ArchiveOf(Struct, frozen=True):
    """The archive that a store has, and how much of its history stands there."""

    id: str
    place: str
    streams: int
    events: int


class Contents(Struct, frozen=True):
    """What a store holds at one moment. `events` and `streams` count archived ones, too; `digest` is of those that are not.

    `rows` counts what each of our tables holds beside. Times are microseconds since 1970 UTC.
    """

    head: int
    events: int
    streams: int
    digest: str
    last_recorded_at: int | None
    rows: Mapping[str, int]
    archive: ArchiveOf | None = None


class Since(Struct, frozen=True):
    """The events after a position. Times are microseconds since 1970 UTC."""

    events: int = 0
    streams: int = 0
    first_recorded_at: int | None = None
    last_recorded_at: int | None = None


async def contents(backend: Whole, tell: Tell) -> Contents:
    """Count and digest all of it. Nobody may write to it meanwhile."""
    stats = await backend.stats()
    whole, last = blake2b(digest_size=16), None
    async for row in live_rows(backend):
        whole.update(msgspec.msgpack.encode(tuple(row)))
        last = row.recorded_at
        if row.position % 1_000 == 0:
            tell("digest", row.position, stats.head)
    found = await backend.query(Own(_ARCHIVE, {}))
    archive = msgspec.convert(found[0], tuple[str, str, int, int]) if found else None
    return Contents(
        stats.head, stats.events, stats.streams, whole.hexdigest(), last, await _counted(backend),
        None if archive is None else ArchiveOf(*archive),
    )  # fmt: skip


async def _counted(backend: Backend) -> Mapping[str, int]:
    counts = [await backend.query(Own(f"select count(*) from {{refold}}{table}", {})) for table in TABLES]  # noqa: S608 - constants
    return {table: msgspec.convert(rows[0][0], int) for table, rows in zip(TABLES, counts, strict=True)}


async def damages(backend: Backend, tell: Tell) -> Sequence[Damage]:
    """All that `verify` finds."""
    found: list[Damage] = []
    head, after = await backend.head(), 0
    while True:
        page, reached = await verify_page(backend, after)
        found += page
        if reached is None:
            return found
        after = reached
        tell("verify", after, head)


async def live_rows(
    backend: Whole, *, after: int | None = None, until: int | None = None, without: Collection[str] = ()
) -> AsyncGenerator[Row]:
    """The events that are not archived, by position, but for some streams."""
    while page := await backend.live_rows(Selection(after=after, position_until=until), strict=False):
        for row in page:
            if row.stream not in without:
                yield row
        after = page[-1].position


async def first_difference(one: Whole, other: Whole, until: int, tell: Tell) -> int | None:
    """The first position up to a given one at which two stores do not hold the same; `None` if there is none.

    Streams that are archived in either were compared when they went there, and are left out.
    """
    gone = {record.stream for backend in (one, other) for record in await records_of(backend)}
    rows = live_rows(other, until=until, without=gone)
    async for row in live_rows(one, until=until, without=gone):
        twin = await anext(rows, None)
        if row != twin:
            return row.position if twin is None else min(row.position, twin.position)
        if row.position % 1_000 == 0:
            tell("compare", row.position, until)
    left = await anext(rows, None)
    return None if left is None else left.position


async def since(backend: Whole, head: int) -> Since:
    """What was appended after a position. Streams that were archived meanwhile are not seen."""
    events, streams, first, last = 0, set[str](), None, None
    async for row in live_rows(backend, after=head):
        events += 1
        streams.add(row.stream)
        first = row.recorded_at if first is None else first
        last = row.recorded_at
    return Since(events, len(streams), first, last)
