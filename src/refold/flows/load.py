"""Load: the state of a stream, now, as the store knew it then, or as it was in the world then."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from msgspec import Struct

from refold.codec import Decoders, decoded
from refold.errors import NoSuchVersion
from refold.flows.prepare import Runtime, checked_stream, instant
from refold.flows.read import all_rows
from refold.fold import Fold
from refold.messages import Position
from refold.ports import PAGE, Backend, InStream, Selection
from refold.rows import Payload, Row

S = TypeVar("S")
E = TypeVar("E")

AsOf: TypeAlias = datetime | Position | int
"""What the store knew then: at a time, at a position of the whole store, or at a version of the stream (a plain int)."""


class Loaded(Struct, Generic[S], frozen=True):
    """A state, and how far into its stream it stands."""

    state: S
    version: int
    position: int


async def load(
    backend: Backend,
    runtime: Runtime,
    fold: Fold[S, Any],
    id: str,
    as_of: AsOf | None = None,
    valid_at: datetime | None = None,
) -> Loaded[S]:
    """The state of one stream, by what the store knew `as_of` then, of what was true in the world at `valid_at`.

    Raises:
        NoSuchVersion: `as_of` is a version that the stream has not reached.
        UnknownEventType, UndecodableEvent: the fold cannot read the stream.
    """
    stream = checked_stream(fold.stream(id))
    until = None if as_of is None else await version_at(backend, stream, as_of)
    if valid_at is not None:
        return await _load_valid(backend, runtime, fold, stream, instant("valid_at", valid_at), until)
    return await advance(backend, runtime, fold, Loaded(fold.initial(), 0, 0), stream, until)


async def _load_valid(
    backend: Backend, runtime: Runtime, fold: Fold[S, Any], stream: str, valid_at: int, until: int | None
) -> Loaded[S]:
    rows = await valid_rows(backend, stream, valid_at, until)
    decoders = runtime.codec.decoders(fold.event_types)
    events = (decoded(decoders, r.type, r.schema_version, r.data, r.stream, r.version, r.position) for r in rows)
    last = max(rows, key=lambda row: row.version, default=None)
    return Loaded(fold(events), last.version if last else 0, last.position if last else 0)


async def advance(
    backend: Backend, runtime: Runtime, fold: Fold[S, Any], loaded: Loaded[S], stream: str, until: int | None = None
) -> Loaded[S]:
    """Fold what the stream holds beyond a loaded state."""
    decoders = runtime.codec.decoders(fold.event_types)
    while True:
        page = await backend.payloads(stream, loaded.version, until)
        loaded = folded(fold, decoders, loaded, stream, page)
        if len(page) < PAGE:
            return loaded


def folded(
    fold: Fold[S, Any], decoders: Decoders, loaded: Loaded[S], stream: str, page: Iterable[Payload]
) -> Loaded[S]:
    """Fold a page on top of a loaded state: the hot loop."""
    state, version, position = loaded.state, loaded.version, loaded.position
    evolve = fold.evolve
    for version, position, type, schema_version, data in page:
        try:
            event = decoders[type, schema_version](data)
        except Exception:  # noqa: BLE001 - told in full by the slow path
            event = decoded(decoders, type, schema_version, data, stream, version, position)
        state = evolve(state, event)
    return Loaded(state, version, position)


async def version_at(backend: Backend, stream: str, as_of: AsOf) -> int:
    """The version that a stream had then.

    Raises:
        NoSuchVersion: it is a version that the stream has not reached.
    """
    if isinstance(as_of, int) and not isinstance(as_of, Position):
        actual = await backend.version(stream)
        if not 0 <= as_of <= actual:
            raise NoSuchVersion(stream, as_of, actual)
        return as_of
    last = Selection(
        InStream(stream),
        backward=True,
        limit=1,
        position_until=as_of if isinstance(as_of, Position) else None,
        recorded_until=None if isinstance(as_of, Position) else instant("as_of", as_of),
    )
    page = await backend.read(last)
    return page[0].version if page else 0


async def valid_rows(backend: Backend, stream: str, valid_at: int, until: int | None) -> list[Row]:
    """The events of a stream that were true at a time, in the order in which they became so, then as they were recorded."""
    rows = [row async for row in all_rows(backend, Selection(InStream(stream)))]
    known = (row for row in rows if until is None or row.version <= until)
    return sorted((row for row in known if became_valid(row) <= valid_at), key=became_valid)


def became_valid(row: Row) -> int:
    """When an event became true in the world, as far as it says; else when it was recorded."""
    return row.recorded_at if row.valid_at is None else row.valid_at
