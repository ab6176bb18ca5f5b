"""Read: page after page, so that memory stays constant however long the history is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from refold.clock import as_datetimes, as_uuids
from refold.codec import Decoders
from refold.decoding import recorded_each
from refold.errors import InvalidName, StoreCorrupt, UsageError, shortened
from refold.flows.prepare import Runtime, instant
from refold.messages import OWN, Recorded, StreamName, checked_name
from refold.ports import EVERYTHING, PAGE, Backend, InCategory, InStory, InStream, Matching, Selection, Source
from refold.query import Query
from refold.rows import Row

Direction: TypeAlias = Literal["forward", "backward"]

_SLICE: Final = 64
"""How many events of a page are opened at once: enough to share a call, too few for the garbage collector to look at."""


_NOT_AS_WRITTEN: Final = (msgspec.MsgspecError, InvalidName, ValueError, OverflowError, TypeError)
"""What comes of a damaged envelope: an id, a time, a name, tags or metadata that no append has written."""


class Page(Struct, frozen=True):
    """One page of events, to be taken once, and the selection of the next, if there is one."""

    events: Iterator[Recorded[Any]]
    rest: Wanted | None


class Wanted(Struct, frozen=True):
    """What is still to be read of a selection, and how many events of it, `None` for all.

    `journals`: those of processes are read, too. `many`: read whole pages, since of the last one something was passed over.
    `most`: rows of the next page at most, since those of the last one were large.
    """

    selection: Selection
    left: int | None
    journals: bool = False
    many: bool = False
    most: int = PAGE


def wanted(
    stream: StreamName | str | None,
    category: str | None,
    query: Query | None,
    correlation_id: str | None,
    *,
    after: int | None,
    since: datetime | None,
    until: datetime | None,
    direction: Direction,
    limit: int | None,
    journals: bool = False,
) -> Wanted:
    """What a call of `read` asks for.

    Raises:
        UsageError: more than one source is named, `after` or the limit is no number, or a time has no time zone.
    """
    if not (after is None or _is_number(after)):
        raise UsageError(f"after={shortened(after)} is no version or position: give a number, or a time as since=.")
    if not (limit is None or _is_number(limit)):
        raise UsageError(f"limit={shortened(limit)} is no number of events: give 0 or more, or None for all.")
    if limit is not None and limit < 0:
        raise UsageError(f"limit={limit} is negative: give 0 or more, or None for all.")
    selection = Selection(
        _source(stream, category, query, correlation_id),
        after,
        backward=direction == "backward",
        recorded_from=None if since is None else instant("since", since),
        recorded_until=None if until is None else instant("until", until),
    )
    return Wanted(selection, limit, journals)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _source(
    stream: StreamName | str | None, category: str | None, query: Query | None, correlation_id: str | None
) -> Source:
    sources: list[Source] = []
    if stream is not None:
        sources.append(InStream(str(StreamName.parse(stream))))
    if category is not None:
        sources.append(InCategory(askable("category", category)))
    if query is not None:
        sources.append(Matching(query))
    if correlation_id is not None:
        sources.append(InStory(askable("correlation id", correlation_id)))
    if len(sources) > 1:
        raise UsageError(f"read takes one of stream, category, query and correlation_id, not {len(sources)} of them.")
    return sources[0] if sources else EVERYTHING


def askable(kind: str, text: str) -> str:
    """A text to look for, if a name may be it or begin with it; an empty one is found nowhere.

    Raises:
        InvalidName: the grammar of names does not allow it, and not every database can be asked for it.
    """
    return checked_name(kind, text) if text.strip() else text


async def page(backend: Backend, runtime: Runtime, wanted: Wanted) -> Page:
    """The next page."""
    reads, most = runtime.reads, min(PAGE, runtime.reads.rows, wanted.most)
    limit = most if wanted.left is None or (wanted.many and wanted.left) else min(wanted.left, most)
    selection = replace(wanted.selection, limit=limit)
    stored, decoders = as_stored(runtime, selection), runtime.codec.known
    found = await backend.read(stored) if limit else ()
    rows = reads.kept(found)
    seen = reads.shown(rows if wanted.journals else without_journals(stored, rows))
    events = meant(selection, stored, opened_all(decoders, seen, backward=selection.backward))
    left = None if wanted.left is None else wanted.left - len(seen)
    if wanted.left is not None and (stored is not selection or decoders.has_older(seen) or len(seen) > wanted.left):
        counted = list(islice(events, wanted.left))  # there may be more events than rows, or fewer
        events, left = iter(counted), wanted.left - len(counted)
    if len(rows) == len(found) < limit or left == 0 or not rows:
        return Page(events, None)
    rest = beyond(selection, rows[-1])
    return Page(events, Wanted(rest, left, wanted.journals, len(seen) < len(rows), reads.most_after(found, rows)))


def without_journals(stored: Selection, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows, without those in journals of processes that were not asked for: by a stream, a category, a story or a type."""
    if not isinstance(stored.source, Matching):
        return rows
    items = stored.source.query.items
    if items and all(item.types for item in items):
        return rows
    asked = {type for item in items for type in item.types}
    try:
        return [row for row in rows if not row.stream.startswith(OWN) or row.type in asked]
    except (AttributeError, TypeError):  # a damaged row has no name, or one of bytes, which is told when it is opened
        return rows


def is_hidden(decoders: Decoders, row: Row) -> bool:
    """Whether it stands in a journal, and is only read as every type is: who wants it must name its class."""
    return decoders.raw and row.stream.startswith(OWN) and row.type not in decoders.stored


def as_stored(runtime: Runtime, selection: Selection) -> Selection:
    """The selection by the names under which its types are stored: itself, if these are the same."""
    if not isinstance(selection.source, Matching):
        return selection
    query = runtime.codec.stored(selection.source.query)
    return selection if query == selection.source.query else replace(selection, source=Matching(query))


def meant(selection: Selection, stored: Selection, events: Iterator[Recorded[Any]]) -> Iterator[Recorded[Any]]:
    """Those of the events that are meant: what was found by the name that it is stored under may be read as something else."""
    if stored is selection or not isinstance(selection.source, Matching):
        return events
    query = selection.source.query
    return (event for event in events if query.matches(event.type, event.tags))


def beyond(selection: Selection, last: Row) -> Selection:
    """The same selection after a row of it."""
    return replace(selection, after=last.version if isinstance(selection.source, InStream) else last.position)


async def all_rows(backend: Backend, selection: Selection) -> AsyncIterator[Row]:
    """Every row of a selection, whatever its limit."""
    rows: Sequence[Row] = ()
    selection = replace(selection, limit=PAGE)
    while not rows or len(rows) == PAGE:
        rows = await backend.read(selection)
        for row in rows:
            yield row
        if not rows:
            return
        selection = beyond(selection, rows[-1])


def opened(decoders: Decoders, row: Row) -> Sequence[Recorded[Any]]:
    """A stored event with its data as an instance of its class: one, or more or none if that is how it is read.

    Raises:
        UnknownEventType, UndecodableEvent: the decoders cannot read it.
    """
    return tuple(opened_all(decoders, (row,)))


def opened_all(decoders: Decoders, rows: Sequence[Row], *, backward: bool = False) -> Iterator[Recorded[Any]]:
    """`opened` of each, one after another, in half of the time.

    Raises:
        UnknownEventType, UndecodableEvent: the decoders cannot read the next one.
        StoreCorrupt: what is stored beside its data is not what was written.
    """
    for start in range(0, len(rows), _SLICE):
        some = rows[start : start + _SLICE]
        try:
            ids, times = as_uuids([row.id for row in some]), as_datetimes([row.recorded_at for row in some])
            yield from recorded_each(decoders, some, ids, times, backward=backward)
        except _NOT_AS_WRITTEN as error:
            if (damaged := next(filter(None, map(_damage, some)), None)) is None:
                raise
            raise damaged from error


def _damage(row: Row) -> StoreCorrupt | None:
    """What is told of a row if something beside its data cannot be read."""
    try:
        as_uuids([row.id])
        as_datetimes([row.recorded_at if row.valid_at is None else row.valid_at, row.recorded_at])
        StreamName.parse(row.stream)
        msgspec.json.decode(row.tags, type=frozenset[str])
        msgspec.json.decode(row.metadata, type=dict[str, str])
    except _NOT_AS_WRITTEN as error:
        return StoreCorrupt(
            f"the event at position {row.position} is damaged: beside its data stands what was never written ({error}). "
            "Restore a backup; `refold verify` looks for more."
        )
    return None
