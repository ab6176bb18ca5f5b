"""What a store's reads do about archived events: without the archive tell that they are there, with it read them, too.

A stream is in the store whole or in the archive whole, so a page of a stream that has rows needs no look. Any other page is
read first and looked after: the count of `changes` says whether something was archived or restored meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct, field

from refold.archiving import (
    ArchiveFile,
    Gone,
    Manifest,
    Reach,
    Shelf,
    may_hold,
    merged,
    reach_of,
)
from refold.errors import Archived, ArchiveDamaged, StoreCorrupt
from refold.ports import PAGE, InStream, Own, Rows, Selection
from refold.projection import Statement
from refold.rows import Payload, Row

_CHANGES: Final = "select changes from {refold}archive"
_ANY: Final = "select s.changes, s.place, (select a.stream from {refold}archived a limit 1) from {refold}archive s"
_STREAM: Final = """
select s.changes, s.place, (select a.stream from {refold}archived a where a.stream = :stream) from {refold}archive s"""
_RANGE: Final = """
select s.changes, s.place, (
  select a.stream from {refold}archived a
  where a.last_position > :low and a.first_position <= :high and a.last_recorded_at >= :since and a.first_recorded_at <= :until
  order by a.last_position limit 1)
from {refold}archive s"""
_CATEGORY: Final = """
select s.changes, s.place, (
  select a.stream from {refold}archived a
  where a.category = :category and a.last_position > :low and a.first_position <= :high
    and a.last_recorded_at >= :since and a.first_recorded_at <= :until
  order by a.last_position limit 1)
from {refold}archive s"""
_TYPE: Final = """
select s.changes, s.place, (
  select a.stream from {refold}archived_types t join {refold}archived a on a.stream = t.stream
  where t.type = :type and t.last_position > :low and t.first_position <= :high
    and a.last_recorded_at >= :since and a.first_recorded_at <= :until
  order by t.last_position limit 1)
from {refold}archive s"""
_RECORDS: Final = "select stream, digest from {refold}archived"
_ARCHIVE: Final = "select id, place, changes from {refold}archive"


class Live(Protocol):
    """A store's own tables, without a look at what is archived."""

    async def live_rows(self, selection: Selection, *, strict: bool) -> Sequence[Row]:
        """A page of events; `strict` raises `Gone` where a tag stands at an archived event."""
        ...

    async def live_payloads(self, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        """A page of a stream."""
        ...

    async def live_find(self, ids: Sequence[bytes]) -> Sequence[Row]:
        """The events with these ids."""
        ...

    async def query(self, statement: Own | Statement) -> Rows:
        """As `Backend.query`."""
        ...


class Archives(Protocol):
    """What stands between the reads of a backend and its tables."""

    async def page(self, live: Live, selection: Selection) -> Sequence[Row]:
        """A page of events."""
        ...

    async def payloads(self, live: Live, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        """A page of a stream of which there seem to be no rows."""
        ...

    async def find(self, live: Live, ids: Sequence[bytes]) -> Sequence[Row]:
        """The events with these ids, by position."""
        ...

    def tenant(self, name: str) -> Archives:
        """Those of one tenant."""
        ...


class NoArchive:
    """No archive is open: a read that would miss archived events raises `Archived`."""

    def __init__(self) -> None:
        self._changes = 0

    async def page(self, live: Live, selection: Selection) -> Sequence[Row]:
        while True:
            seen = self._changes
            try:
                rows = await live.live_rows(selection, strict=True)
            except Gone as gone:
                await self._look(live, _ANY, {}, gone.position)  # nothing there: it came back meanwhile
                continue
            if await self._is_whole(live, selection, rows, seen):
                return rows

    async def _is_whole(self, live: Live, selection: Selection, rows: Sequence[Row], seen: int) -> bool:
        if isinstance(selection.source, InStream):
            return bool(rows) or await self._look(live, _STREAM, {"stream": selection.source.stream}) == seen
        reach = reach_of(selection, rows)
        return reach is None or await self._look_in(live, reach) == seen

    async def _look_in(self, live: Live, reach: Reach) -> int:
        bounds = {"low": reach.low, "high": reach.high, "since": reach.since, "until": reach.until}
        if reach.category is not None:
            return await self._look(live, _CATEGORY, {**bounds, "category": reach.category})
        if reach.types is None:
            return await self._look(live, _RANGE, bounds)
        return min([await self._look(live, _TYPE, {**bounds, "type": type}) for type in reach.types])

    async def payloads(self, live: Live, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        while True:
            seen = self._changes
            rows = await live.live_payloads(stream, after, until)
            if rows or await self._look(live, _STREAM, {"stream": stream}) == seen:
                return rows

    async def find(self, live: Live, ids: Sequence[bytes]) -> Sequence[Row]:
        while True:
            seen = self._changes
            rows = await live.live_find(ids)
            if len(rows) == len(set(ids)) or await self._look(live, _ANY, {}) == seen:
                return rows

    def tenant(self, name: str) -> Archives:
        return NoArchive()

    async def _look(self, live: Live, text: str, params: Mapping[str, int | str], position: int | None = None) -> int:
        """How often something was archived or restored until now, if nothing is archived that was looked for."""
        for changes, place, stream in await live.query(Own(text, params)):
            if stream is not None:
                named = str(stream) if text is not _ANY else None
                raise Archived(named, str(place), position=position)
            self._changes = _number(changes)
        return self._changes


class _Book(Struct, frozen=True):
    """What is archived, as it was after so many changes: the files, and the streams that are read from each."""

    changes: int = 0
    files: tuple[ArchiveFile, ...] = ()
    streams: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    places: Mapping[str, ArchiveFile] = field(default_factory=dict[str, ArchiveFile])


class OpenArchive:
    """An archive is open: its events are read as those of the store."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf, self._book = shelf, _Book()

    async def page(self, live: Live, selection: Selection) -> Sequence[Row]:
        while True:
            book, rows = self._book, await live.live_rows(selection, strict=False)
            if rows and isinstance(selection.source, InStream):
                return rows
            if await self._is_current(live, book):
                return merged(selection, rows, *await self._pages(book, selection))

    async def _pages(self, book: _Book, selection: Selection) -> Sequence[Sequence[Row]]:
        if isinstance(selection.source, InStream):
            file = book.places.get(selection.source.stream)
            return [await self._shelf.rows(file, selection, {selection.source.stream})] if file else ()
        pages: list[Sequence[Row]] = []
        for file in sorted(book.files, key=lambda f: -f.last_position if selection.backward else f.first_position):
            if may_hold(file, selection) and not _is_beyond(file, selection, pages):
                pages.append(await self._shelf.rows(file, selection, book.streams[file.name]))
        return pages

    async def payloads(self, live: Live, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        while True:
            book, rows = self._book, await live.live_payloads(stream, after, until)
            if rows:
                return rows
            if await self._is_current(live, book):
                pages = await self._pages(book, Selection(InStream(stream), after, limit=PAGE))
                found = (row for page in pages for row in page if until is None or row.version <= until)
                return [(row.version, row.position, row.type, row.schema_version, row.data) for row in found]

    async def find(self, live: Live, ids: Sequence[bytes]) -> Sequence[Row]:
        while True:
            book, rows = self._book, await live.live_find(ids)
            missing = set(ids) - {row.id for row in rows}
            if not missing:
                return rows
            if await self._is_current(live, book):
                return sorted([*rows, *await self._found(book, missing)], key=lambda row: row.position)

    async def _found(self, book: _Book, missing: set[bytes]) -> Sequence[Row]:
        found: list[Row] = []
        for file in book.files:
            some = {id for id in missing if file.first_id <= id.hex() <= file.last_id}
            rows = await self._shelf.find(file, some) if some else ()
            found += [row for row in rows if row.stream in book.streams[file.name]]
        return found

    def tenant(self, name: str) -> Archives:
        return OpenArchive(self._shelf.tenant(name))

    async def _is_current(self, live: Live, book: _Book) -> bool:
        """Whether nothing was archived or restored since the book was made; else another one is made."""
        if await _changes(live) == book.changes:
            return True
        self._book = await self._made(live)
        return False

    async def _made(self, live: Live) -> _Book:
        while True:
            ((id, place, changes),) = await live.query(Own(_ARCHIVE, {}))
            records = await live.query(Own(_RECORDS, {}))
            if await _changes(live) == changes:
                break
        if not records:
            return _Book(_number(changes))
        manifest = await self._shelf.manifest()
        if manifest is None or manifest.id != id:
            what = "no archive is here" if manifest is None else "it is the archive of another store"
            raise ArchiveDamaged(self._shelf.place, f"{what}: that of this store was made at {place!r}")
        return _book(self._shelf.place, _number(changes), manifest, records)


def _book(place: str, changes: int, manifest: Manifest, records: Rows) -> _Book:
    files = {file.name: file for file in manifest.files}
    streams: dict[str, set[str]] = defaultdict(set)
    places: dict[str, ArchiveFile] = {}
    for stream, digest in records:
        name = str(stream)
        found = manifest.streams.get(name)
        if found is None or found.digest != digest:
            how = "is not in its manifest" if found is None else "is there with another digest than the store recorded"
            raise ArchiveDamaged(place, f"stream {name!r} {how}")
        streams[found.file].add(name)
        places[name] = files[found.file]
    used = tuple(files[name] for name in streams)
    return _Book(changes, used, {name: frozenset(some) for name, some in streams.items()}, places)


def _is_beyond(file: ArchiveFile, selection: Selection, pages: Sequence[Sequence[Row]]) -> bool:
    """Whether all of a file comes after a page that the others fill already."""
    page = merged(selection, *pages)
    if not page or len(page) < selection.limit:
        return False
    return file.last_position < page[-1].position if selection.backward else file.first_position > page[-1].position


async def _changes(live: Live) -> int:
    found = await live.query(Own(_CHANGES, {}))
    return _number(found[0][0]) if found else 0


def _number(value: object) -> int:
    if not isinstance(value, int):  # though the column is one of integers
        raise StoreCorrupt(
            "the store is damaged: what it says of its archive is no number. Restore a backup; `refold verify` looks for more."
        )
    return value
