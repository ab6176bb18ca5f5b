"""Load: the state of a stream, now, as the store knew it then, or as it was in the world then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeGuard, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from refold.codec import Decoders
from refold.decoding import events_of
from refold.errors import NoSuchVersion, SnapshotMismatch, UsageError, shortened
from refold.flows.forgotten import known_at
from refold.flows.prepare import Runtime, instant, stream_of
from refold.flows.read import all_rows
from refold.flows.shortcuts import Shortcut, Standing, StateCache
from refold.flows.snapshots import nearest
from refold.fold import Fold
from refold.messages import Position
from refold.ports import PAGE, Backend, InStream, Selection
from refold.rows import Payload, Row
from refold.sameness import identical

S = TypeVar("S")
E = TypeVar("E")

AsOf: TypeAlias = datetime | Position | int
"""What the store knew then: at a time, at a position of the whole store, or at a version of the stream (a plain int)."""


class Loaded(Struct, Generic[S], frozen=True):
    """A state, and how far into its stream it stands.

    `began`: the version of the snapshot that it was folded from, 0 for none. `cost`: the microseconds that this took, where
    the fold's `Snapshots` ask for that. `since`: the position at which somebody was last forgotten before it was folded, `None`
    where its fold has neither snapshots nor a cache, or its events no personal data.
    """

    state: S
    version: int
    position: Position
    began: int = 0
    cost: int = 0
    since: int | None = None


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
    stream = stream_of(fold, id)
    until = None if as_of is None else await version_at(backend, stream, as_of)
    if valid_at is not None:
        return await _load_valid(backend, runtime, fold, stream, instant("valid_at", valid_at), until)
    return await reached(backend, runtime, fold, stream, until)


async def reached(
    backend: Backend, runtime: Runtime, fold: Fold[S, Any], stream: str, until: int | None = None
) -> Loaded[S]:
    """The state of a stream after a version, or after all that it holds: folded from the nearest place that is known.

    Raises:
        SnapshotMismatch: the store verifies snapshots, and this state is not what all events give.
    """
    shortcut = runtime.shortcuts.get(fold) if runtime.shortcuts else None
    if shortcut is None:
        return await _from_the_first_event(backend, runtime, fold, stream, until)
    began_at = runtime.clock.now()
    since = await known_at(backend, runtime) if runtime.codec.decoders(fold.event_types).personal else None
    loaded = await _from_the_cache(backend, runtime, fold, shortcut.cache, stream, until, since)
    if loaded is None:
        saved = None if shortcut.saving is None else await nearest(backend, shortcut.saving, stream, until)
        start = Loaded(fold.initial(), 0, Position(0)) if saved is None else as_loaded(saved)
        loaded = await advance(backend, runtime, fold, replace(start, since=since), stream, until)
    if runtime.verifying:
        await _verify(backend, runtime, fold, stream, loaded)
    return replace(loaded, cost=max(0, runtime.clock.now() - began_at)) if _is_timed(shortcut) else loaded


def as_loaded(standing: Standing[S]) -> Loaded[S]:
    """A state that was kept, as one to go on from."""
    return Loaded(standing.state, standing.version, Position(standing.position), standing.began, since=standing.since)


def _is_timed(shortcut: Shortcut) -> bool:
    return shortcut.saving is not None and shortcut.saving.policy.slower_than is not None


async def _from_the_first_event(
    backend: Backend, runtime: Runtime, fold: Fold[S, Any], stream: str, until: int | None
) -> Loaded[S]:
    return await advance(backend, runtime, fold, Loaded(fold.initial(), 0, Position(0)), stream, until)


async def _from_the_cache(
    backend: Backend,
    runtime: Runtime,
    fold: Fold[S, Any],
    cache: StateCache | None,
    stream: str,
    until: int | None,
    since: int | None,
) -> Loaded[S] | None:
    """What is known in this process, brought up to date; `None` where it does not help, or is not what the store has."""
    known = None if cache is None else cache.known(stream, since)
    if cache is None or known is None or (until is not None and until < known.version):
        return None
    page = await backend.payloads(stream, known.version - 1, until)  # the last event in it, too: is it the same?
    if not page or page[0][:2] != (known.version, known.position):
        cache.forget(stream)
        return None
    loaded = folded(fold, runtime.codec.decoders(fold.event_types), as_loaded(known), stream, page[1:])
    return loaded if len(page) < PAGE else await advance(backend, runtime, fold, loaded, stream, until)


async def _verify(backend: Backend, runtime: Runtime, fold: Fold[S, Any], stream: str, loaded: Loaded[S]) -> None:
    whole = await _from_the_first_event(backend, runtime, fold, stream, loaded.version)
    if not identical(loaded.state, whole.state):
        raise SnapshotMismatch(stream, loaded.version, loaded.began, loaded.state, whole.state)


async def _load_valid(
    backend: Backend, runtime: Runtime, fold: Fold[S, Any], stream: str, valid_at: int, until: int | None
) -> Loaded[S]:
    return of_rows(runtime, fold, await valid_rows(backend, stream, valid_at, until))


def of_rows(runtime: Runtime, fold: Fold[S, Any], rows: Sequence[Row]) -> Loaded[S]:
    """The state that events give in this order, with the place of the one that was recorded last."""
    decoders = runtime.codec.decoders(fold.event_types)
    events = (
        event
        for r in rows
        for event in events_of(decoders, r.type, r.schema_version, r.data, r.stream, r.version, r.position)
    )
    last = max(rows, key=lambda row: row.position, default=None)
    return Loaded(fold(events), last.version if last else 0, Position(last.position if last else 0))


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
    state, version = loaded.state, loaded.version
    position: int = loaded.position
    evolve = fold.evolve
    for version, position, type, schema_version, data in page:
        try:
            event = decoders[type, schema_version](data)
        except Exception:  # noqa: BLE001 - of an older shape, or told in full by the slow path
            events = events_of(decoders, type, schema_version, data, stream, version, position)
        else:
            state = evolve(state, event)
            continue
        for event in events:
            state = evolve(state, event)
    return Loaded(state, version, Position(position), loaded.began, since=loaded.since)


def place(what: str, given: object) -> AsOf:
    """What was given for a place in a history, if it is one.

    Raises:
        UsageError: it is not, or it is a time without a time zone; `what` is the parameter.
    """
    if isinstance(given, datetime):
        instant(what, given)
        return given
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    raise UsageError(
        f"{what}={shortened(given)} is no place in a history: give a version, a Position, or a time with a time zone."
    )


def is_version(as_of: AsOf | None) -> TypeGuard[int]:
    """Whether it is a plain int: a place in one stream, in place of one in the whole store."""
    return isinstance(as_of, int) and not isinstance(as_of, Position | bool)


async def version_at(backend: Backend, stream: str, as_of: AsOf) -> int:
    """The version that a stream had then.

    Raises:
        NoSuchVersion: it is a version that the stream has not reached.
        UsageError: as `place`.
    """
    as_of = place("as_of", as_of)
    if is_version(as_of):
        actual = await backend.version(stream)
        if not 0 <= as_of <= actual:
            raise NoSuchVersion(stream, as_of, actual)
        return as_of
    page = await backend.read(known(Selection(InStream(stream), backward=True, limit=1), as_of))
    return page[0].version if page else 0


def known(selection: Selection, as_of: AsOf | None) -> Selection:
    """What the store knew of a selection then; of a version, all of it.

    Raises:
        UsageError: as `place`.
    """
    if as_of is not None and isinstance(place("as_of", as_of), datetime):
        return replace(selection, recorded_until=instant("as_of", as_of))
    return replace(selection, position_until=as_of) if isinstance(as_of, Position) else selection


async def valid_rows(backend: Backend, stream: str, valid_at: int, until: int | None) -> list[Row]:
    """The events of a stream that were true at a time, in the order in which they became so, then as they were recorded."""
    rows = [row async for row in all_rows(backend, Selection(InStream(stream)))]
    return true_at(valid_at, (row for row in rows if until is None or row.version <= until))


def true_at(valid_at: int, rows: Iterable[Row]) -> list[Row]:
    """Those of the events that were true at a time, in the order in which they became so."""
    return sorted((row for row in rows if became_valid(row) <= valid_at), key=became_valid)


def became_valid(row: Row) -> int:
    """When an event became true in the world, as far as it says; else when it was recorded."""
    return row.recorded_at if row.valid_at is None else row.valid_at
