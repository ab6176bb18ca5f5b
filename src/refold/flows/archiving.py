"""Move closed streams to an archive, bring them back, and check the archive.

A file is written and read back before the manifest names it, and the manifest names it before a stream is recorded as
archived; that record, by a trigger, removes the rows in the same instant. So whatever breaks, a stream stands in the store
whole, or in the archive whole and recorded; and doing it again goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from refold.archiving import ArchivedStream, InArchive, Manifest, Shelf, by_stream, described, digest_of
from refold.columns import SqlValue
from refold.errors import ArchiveDamaged, Unsupported, UsageError
from refold.flows.read import all_rows
from refold.ports import Backend, InStream, Own, Selection
from refold.rows import WRITTEN, Row, digest

EVENTS: Final = 50_000
"""How many events a file holds, but for a stream that is longer."""
AT_ONCE: Final = 2_000
"""How many events go in one transaction, but for a stream that is longer: other writers wait for it."""

_CLOSED: Final = "select stream, events, last_position from {refold}closed where last_recorded_at < :before"
_ENROLLED: Final = "select id, place, (select count(*) from {refold}archived) from {refold}archive"
_ENROL: Final = """
insert into {refold}archive (one, id, place, changes) values (1, :id, :place, 0)
on conflict (one) do update set id = excluded.id, place = excluded.place"""
_LOCK: Final = "update {refold}archive set place = place where id = :id returning id"
_IS_RECORDED: Final = "select 1 from {refold}archived where stream = :stream"
_RECORD: Final = """
insert into {refold}archived (stream, events, tags, first_position, last_position, first_recorded_at, last_recorded_at, digest,
  archived_at)
values (:stream, :events, :tags, :first_position, :last_position, :first_recorded_at, :last_recorded_at, :digest, :now)"""
_RECORDS: Final = """
select stream, events, tags, first_position, last_position, first_recorded_at, last_recorded_at, digest from {refold}archived
order by first_position"""
_RETURN: Final = f"""
insert into {{refold}}returned ({", ".join(WRITTEN)}) values ({", ".join(f":{name}" for name in WRITTEN)})"""  # noqa: S608 - constants
_FORGET: Final = "delete from {refold}archived where stream = :stream"


class Moved(Struct, frozen=True):
    """What was moved so far, or would be: streams and events."""

    streams: int = 0
    events: int = 0

    def and_also(self, streams: int, events: int) -> Moved:
        """With these."""
        return Moved(self.streams + streams, self.events + events)


Tell = Callable[[Moved], object]
"""Told after each step."""


class Closed(Struct, frozen=True):
    """A stream that can be archived."""

    stream: str
    events: int
    last_position: int

    @property
    def category(self) -> str:
        """Of the stream."""
        return self.stream.partition("-")[0]


R = TypeVar("R", Closed, ArchivedStream)


class Finding(Struct, frozen=True):
    """One thing that is wrong with an archive: in which file or stream, and what, in a sentence."""

    where: str
    problem: str


async def closed_streams(backend: Backend, before: int, category: str | None = None) -> Sequence[Closed]:
    """Streams of ended periods whose last event was recorded before a time in microseconds, by category and position.

    Raises:
        Unsupported: the backend has no archive.
    """
    _check(backend)
    found = [_as(Closed, row) for row in await backend.query(Own(_CLOSED, {"before": before}))]
    head = await backend.head()  # the newest event of the store stays, so that positions go on after it
    wanted = [each for each in found if category in {None, each.category} and each.last_position < head]
    return sorted(wanted, key=lambda each: (each.category, each.last_position))


async def archive(
    backend: Backend, shelf: Shelf, streams: Sequence[Closed], now: int, new_id: str, tell: Tell | None = None
) -> Moved:
    """Move streams to an archive; `new_id` is its id if it is new.

    Raises:
        UsageError: the archive is that of another store, or this store's is another one.
    """
    moved = Moved()
    if streams:
        id = await _enrolled(backend, shelf, new_id)
        for chunk in _chunks(streams, EVENTS):
            records = await _kept(backend, shelf, chunk, id)
            for some in _chunks(records, AT_ONCE):
                done = await _recorded(backend, some, id, now)
                moved = moved.and_also(len(done), sum(record.events for record in done))
                if tell is not None:
                    tell(moved)
    return moved


async def _enrolled(backend: Backend, shelf: Shelf, new_id: str) -> str:
    """The id of the archive, known to the store before anything of it is written."""
    manifest = await shelf.manifest()

    async def enrol(inside: Backend) -> str:
        found = await inside.query(Own(_ENROLLED, {}))
        id, place, archived = found[0] if found else (None, "", 0)
        if manifest is not None and manifest.id != id:
            raise UsageError(f"{shelf.place!r} is the archive of another store: give a directory of its own.")
        if manifest is None and archived:
            raise UsageError(f"this store has its archive at {place!r}, and none is at {shelf.place!r}: give that one.")
        known = new_id if id is None else str(id)
        await inside.work([Own(_ENROL, {"id": known, "place": shelf.place})])
        return known

    return await backend.within(enrol)


async def _kept(backend: Backend, shelf: Shelf, chunk: Sequence[Closed], id: str) -> Sequence[ArchivedStream]:
    """The streams in a file that the manifest names: they stand in both places now."""
    names = sorted(each.stream for each in chunk)
    rows = [row for name in names async for row in all_rows(backend, Selection(InStream(name)))]
    if not rows:
        return ()
    file = await shelf.keep(rows)
    records = [described(some) for _, some in by_stream(rows)]

    async def name_it(inside: Backend) -> None:
        await inside.work(
            [Own(_LOCK, {"id": id}, must=True)]
        )  # two that archive at once write one manifest after the other
        manifest = await shelf.manifest() or Manifest(id)
        await shelf.write_manifest(manifest.with_file(file, records))

    await backend.within(name_it)
    return records


async def _recorded(backend: Backend, records: Sequence[ArchivedStream], id: str, now: int) -> Sequence[ArchivedStream]:
    """Those of the streams that went: not what was appended to meanwhile, or archived by somebody else."""

    async def record(inside: Backend) -> Sequence[ArchivedStream]:
        await inside.work([Own(_LOCK, {"id": id}, must=True)])
        done: list[ArchivedStream] = []
        for each in records:
            if await inside.version(each.stream) == each.events and not await _is_recorded(inside, each.stream):
                await inside.work([Own(_RECORD, _params(each, now))])
                done.append(each)
        return done

    return await backend.within(record)


async def restore(backend: Backend, shelf: Shelf, streams: Sequence[str] = (), tell: Tell | None = None) -> Moved:
    """Bring streams back, or all: each to the positions where it stood, byte for byte. The files stay.

    A stream that stands in the store is back already.

    Raises:
        UsageError: a stream is neither archived nor in the store.
        ArchiveDamaged: a file is missing, or is not what was archived; what came back before stays.
    """
    _check(backend)
    records = {record.stream: record for record in await records_of(backend)}
    if strangers := [name for name in sorted(set(streams) - records.keys()) if not await backend.version(name)]:
        raise UsageError(
            f"neither archived nor in the store: {', '.join(map(repr, strangers))}. `refold streams` lists what there is."
        )
    moved = Moved()
    manifest = await shelf.manifest()
    wanted = [records[name] for name in dict.fromkeys(streams) if name in records] if streams else records.values()
    for record in wanted:
        back = await _brought_back(backend, record, await _rows_of(shelf, manifest, record))
        moved = moved.and_also(back, record.events * back)
        if tell is not None:
            tell(moved)
    return moved


async def _rows_of(shelf: Shelf, manifest: Manifest | None, record: ArchivedStream) -> Sequence[Row]:
    found = None if manifest is None else manifest.streams.get(record.stream)
    if manifest is None or found is None:
        raise ArchiveDamaged(shelf.place, f"stream {record.stream!r} is not in its manifest")
    selection = Selection(InStream(record.stream), limit=record.events + 1)
    rows = await shelf.rows(manifest.file(found.file), selection, {record.stream})
    if not rows or described(rows) != record:
        raise ArchiveDamaged(shelf.place, f"stream {record.stream!r} in {found.file} is not what was archived")
    return rows


async def _brought_back(backend: Backend, record: ArchivedStream, rows: Sequence[Row]) -> int:
    async def bring(inside: Backend) -> int:
        if not await _is_recorded(inside, record.stream):
            return 0
        back = [Own(_RETURN, dict(zip(WRITTEN, (*row, digest(row)), strict=True))) for row in rows]
        await inside.work([*back, Own(_FORGET, {"stream": record.stream})])
        return 1

    return await backend.within(bring)


async def records_of(backend: Backend) -> Sequence[ArchivedStream]:
    """What the store has recorded of its archive, by position."""
    return [_as(ArchivedStream, row) for row in await backend.query(Own(_RECORDS, {}))]


async def verify_archive(backend: Backend, shelf: Shelf) -> Sequence[Finding]:
    """What is wrong: the manifest with the store's record, and each file with both."""
    _check(backend)
    records = {record.stream: record for record in await records_of(backend)}
    manifest = await shelf.manifest()
    if manifest is None:
        return [Finding("manifest.json", "it is not there")] if records else ()
    enrolled = await backend.query(Own(_ENROLLED, {}))
    if not enrolled or enrolled[0][0] != manifest.id:
        return [Finding("manifest.json", "it is the archive of another store")]
    missing = [
        Finding(name, "the store recorded that it is archived, the manifest does not have it")
        for name in sorted(records.keys() - manifest.streams.keys())
    ]
    found = [finding for file in manifest.files for finding in await _of_file(shelf, manifest, file.name, records)]
    return [*missing, *found]


async def _of_file(
    shelf: Shelf, manifest: Manifest, name: str, records: dict[str, ArchivedStream]
) -> Sequence[Finding]:
    file = manifest.file(name)
    told = {stream: each for stream, each in manifest.streams.items() if each.file == name}
    try:
        rows = await shelf.rows(file, Selection(limit=file.events + 1), told.keys())
    except ArchiveDamaged as error:
        return [Finding(name, error.problem)]
    there = dict(by_stream(sorted(rows, key=lambda row: (row.stream, row.version))))
    return [
        Finding(stream, problem)
        for stream, each in sorted(told.items())
        if (problem := _problem(there.get(stream, []), each, records.get(stream)))
    ]


def _problem(rows: Sequence[Row], told: InArchive, record: ArchivedStream | None) -> str | None:
    if (len(rows), digest_of(rows)) != (told.events, told.digest):
        return f"{told.file} does not have the {told.events} events that the manifest says"
    if record is not None and described(rows) != record:
        return f"what {told.file} has is not what the store recorded"
    return None


async def _is_recorded(backend: Backend, stream: str) -> bool:
    return bool(await backend.query(Own(_IS_RECORDED, {"stream": stream})))


def _params(record: ArchivedStream, now: int) -> dict[str, SqlValue]:
    return {**{name: getattr(record, name) for name in record.__struct_fields__}, "now": now}


def _chunks(streams: Sequence[R], most: int) -> Iterator[list[R]]:
    """Parts of one category, of about so many events."""
    for _, some in groupby(streams, key=lambda each: each.stream.partition("-")[0]):
        part: list[R] = []
        events = 0
        for each in some:
            if part and events + each.events > most:
                yield part
                part, events = [], 0
            part.append(each)
            events += each.events
        yield part


def _check(backend: Backend) -> None:
    if not backend.capabilities.sql:
        raise Unsupported(f"the {backend.capabilities.name} backend has no archive: SQLite and PostgreSQL have.")


def _as(kind: type[R], row: Sequence[SqlValue]) -> R:
    """A row of a table as a value with the same fields."""
    return msgspec.convert(dict(zip(kind.__struct_fields__, row, strict=True)), kind)
