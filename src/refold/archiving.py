"""Archived streams, as values: what is recorded of each, which of them a page would miss, and pages put together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import groupby
from typing import Final, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from refold.ports import InCategory, InStory, InStream, Matching, Selection
from refold.rows import Row

FORMAT: Final = 1
"""Of the manifest and the files that it names."""
END: Final = (1 << 62) - 1


class Gone(Exception):
    """A tag stands at this position, but no event: it is archived, or came back a moment ago."""

    def __init__(self, position: int) -> None:
        self.position = position
        super().__init__(position)


class ArchivedStream(Struct, frozen=True):
    """What a store records of a stream whose events stand in its archive: versions 1 to `events`. Times are microseconds."""

    stream: str
    events: int
    tags: int
    first_position: int
    last_position: int
    first_recorded_at: int
    last_recorded_at: int
    digest: str


def described(rows: Sequence[Row]) -> ArchivedStream:
    """The record of a stream, out of all of its rows in their order."""
    return ArchivedStream(
        stream=rows[0].stream,
        events=len(rows),
        tags=sum(len(_tags(row.tags)) for row in rows if row.tags != "[]"),
        first_position=rows[0].position,
        last_position=rows[-1].position,
        first_recorded_at=rows[0].recorded_at,
        last_recorded_at=rows[-1].recorded_at,
        digest=digest_of(rows),
    )


def digest_of(rows: Sequence[Row]) -> str:
    """A digest of every byte of the rows, their positions, and their order."""
    whole = blake2b(digest_size=16)
    for row in rows:
        whole.update(msgspec.msgpack.encode(tuple(row)))
    return whole.hexdigest()


def by_stream(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each stream, of rows that are sorted by stream and version."""
    for stream, some in groupby(rows, key=lambda row: row.stream):
        yield stream, list(some)


class ArchiveFile(Struct, frozen=True):
    """One Parquet file: events of one category, sorted by stream and version. Ids are hexadecimal, the least and the greatest."""

    name: str
    sha256: str
    bytes: int
    category: str
    events: int
    first_position: int
    last_position: int
    first_id: str
    last_id: str


class InArchive(Struct, frozen=True):
    """Where the events of a stream stand in an archive."""

    file: str
    events: int
    digest: str


class Manifest(Struct, frozen=True):
    """What an archive holds. `id` is that of the archive, by which the store knows it."""

    id: str
    files: tuple[ArchiveFile, ...] = ()
    streams: Mapping[str, InArchive] = {}
    format: int = FORMAT

    def file(self, name: str) -> ArchiveFile:
        """The file of this name."""
        return next(file for file in self.files if file.name == name)

    def with_file(self, file: ArchiveFile, streams: Sequence[ArchivedStream]) -> Manifest:
        """And this file, in which these streams are found from now on."""
        others = tuple(other for other in self.files if other.name != file.name)
        found = {each.stream: InArchive(file.name, each.events, each.digest) for each in streams}
        return replace(self, files=(*others, file), streams={**self.streams, **found})


class Shelf(Protocol):
    """A place where an archive stands: files, and a manifest that names them."""

    @property
    def place(self) -> str:
        """Where it is, for people."""
        ...

    async def manifest(self) -> Manifest | None:
        """What it holds; `None` where there is no archive."""
        ...

    async def write_manifest(self, manifest: Manifest) -> None:
        """Put another in its place, durably and in one instant."""
        ...

    async def keep(self, rows: Sequence[Row]) -> ArchiveFile:
        """Write rows of one category, sorted by stream and version, into a file: durable, read back, and found the same."""
        ...

    async def rows(self, file: ArchiveFile, selection: Selection, streams: Collection[str]) -> Sequence[Row]:
        """A page of what a file holds of these streams.

        Raises:
            ArchiveDamaged: the file is not there, or not what the manifest says.
        """
        ...

    async def find(self, file: ArchiveFile, ids: Collection[bytes]) -> Sequence[Row]:
        """The events of a file with these ids. Raises what `rows` does."""
        ...

    def tenant(self, name: str) -> Shelf:
        """That of one tenant."""
        ...


class Reach(Struct, frozen=True):
    """What a page looked through: positions above `low` up to `high`, inclusive times, and of which category or types."""

    low: int
    high: int
    since: int
    until: int
    category: str | None = None
    types: tuple[str, ...] | None = None


def reach_of(selection: Selection, rows: Sequence[Row]) -> Reach | None:
    """What the page of a selection looked through; `None` if it cannot miss anything, since tags of archived events are known."""
    category: str | None = None
    types: tuple[str, ...] | None = None
    match selection.source:
        case InCategory(category):
            pass
        case Matching(query) if query.items:
            types = tuple(sorted({type for item in query.items if not item.tags for type in item.types}))
            if not types:
                return None
        case _:
            pass
    low, high = _bounds(selection, rows)
    since, until = selection.recorded_from, selection.recorded_until
    return Reach(low, high, 0 if since is None else since, END if until is None else until, category, types)


def _bounds(selection: Selection, rows: Sequence[Row]) -> tuple[int, int]:
    s, is_full = selection, len(rows) >= selection.limit > 0
    last = END if s.position_until is None else s.position_until
    if isinstance(s.source, InStream):
        return -1, last
    if s.backward:
        high = last if s.after is None else min(last, s.after - 1)
        return rows[-1].position - 1 if is_full else -1, high
    return -1 if s.after is None else s.after, min(last, rows[-1].position) if is_full else last


def merged(selection: Selection, *pages: Sequence[Row]) -> Sequence[Row]:
    """One page, of pages of the same selection that hold different events."""
    full = [page for page in pages if page]
    if len(full) < 2:  # noqa: PLR2004 - nothing to merge
        return full[0] if full else ()
    rows = sorted((row for page in full for row in page), key=lambda row: row.position, reverse=selection.backward)
    return rows[: selection.limit]


def may_hold(file: ArchiveFile, selection: Selection) -> bool:
    """Whether a file may hold events of a selection of positions."""
    low, high = _bounds(selection, ())
    fits = selection.source.category == file.category if isinstance(selection.source, InCategory) else True
    return fits and file.last_position > low and file.first_position <= high


def is_selected(selection: Selection, row: Row) -> bool:
    """Whether a row is of the source of a selection, whatever its place."""
    match selection.source:
        case InStream(stream):
            return row.stream == stream
        case InCategory(category):
            return row.stream.partition("-")[0] == category
        case InStory(correlation_id):
            return row.correlation_id == correlation_id
        case Matching(query):
            return not query.items or query.matches(row.type, _tags(row.tags))


_tags = msgspec.json.Decoder(frozenset[str]).decode
