"""Read: page after page, so that memory stays constant however long the history is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from refold.codec import Decoders, decoded, recorded
from refold.errors import UsageError
from refold.flows.prepare import Runtime, instant
from refold.messages import Recorded, StreamName
from refold.ports import EVERYTHING, PAGE, Backend, InCategory, InStory, InStream, Matching, Selection, Source
from refold.query import Query
from refold.rows import Row

Direction: TypeAlias = Literal["forward", "backward"]


class Page(Struct, frozen=True):
    """One page of events, and the selection of the next, if there is one."""

    events: tuple[Recorded[Any], ...]
    rest: Wanted | None


class Wanted(Struct, frozen=True):
    """What is still to be read of a selection, and how many events of it, `None` for all."""

    selection: Selection
    left: int | None


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
) -> Wanted:
    """What a call of `read` asks for.

    Raises:
        UsageError: more than one source is named, the limit is negative, or a time has no time zone.
    """
    if limit is not None and limit < 0:
        raise UsageError(f"limit={limit} is negative: give 0 or more, or None for all.")
    selection = Selection(
        _source(stream, category, query, correlation_id),
        after,
        backward=direction == "backward",
        recorded_from=None if since is None else instant("since", since),
        recorded_until=None if until is None else instant("until", until),
    )
    return Wanted(selection, limit)


def _source(
    stream: StreamName | str | None, category: str | None, query: Query | None, correlation_id: str | None
) -> Source:
    sources: list[Source] = []
    if stream is not None:
        sources.append(InStream(str(StreamName.parse(stream))))
    if category is not None:
        sources.append(InCategory(category))
    if query is not None:
        sources.append(Matching(query))
    if correlation_id is not None:
        sources.append(InStory(correlation_id))
    if len(sources) > 1:
        raise UsageError(f"read takes one of stream, category, query and correlation_id, not {len(sources)} of them.")
    return sources[0] if sources else EVERYTHING


async def page(backend: Backend, runtime: Runtime, wanted: Wanted) -> Page:
    """The next page.

    Raises:
        UnknownEventType, UndecodableEvent: the store cannot read an event.
    """
    limit = PAGE if wanted.left is None else min(wanted.left, PAGE)
    selection = replace(wanted.selection, limit=limit)
    rows = await backend.read(selection) if limit else ()
    decoders = runtime.codec.known
    left = None if wanted.left is None else wanted.left - len(rows)
    rest = None if len(rows) < limit or left == 0 or not rows else Wanted(beyond(selection, rows[-1]), left)
    return Page(tuple(opened(decoders, row) for row in rows), rest)


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


def opened(decoders: Decoders, row: Row) -> Recorded[Any]:
    """A stored event with its data as an instance of its class.

    Raises:
        UnknownEventType, UndecodableEvent: the decoders cannot read it.
    """
    data = decoded(decoders, row.type, row.schema_version, row.data, row.stream, row.version, row.position)
    return recorded(row, data)
