"""History: what each event of a stream did to the state, one after another, in constant memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct

from refold.codec import Decoders
from refold.flows.load import AsOf, Loaded, load, place, version_at
from refold.flows.prepare import Runtime, checked_stream
from refold.flows.read import opened
from refold.fold import Fold
from refold.messages import Position, Recorded
from refold.patching import Operation, difference
from refold.ports import PAGE, Backend, InStream, Selection
from refold.rows import Row

S = TypeVar("S")
E = TypeVar("E")


class Step(Struct, Generic[S, E], frozen=True):
    """An event of a stream, and the states before and after it."""

    event: Recorded[E]
    before: S
    state: S

    @property
    def diff(self) -> tuple[Operation, ...]:
        """What the event changed.

        Raises:
            UsageError: a state holds what JSON has no form for.
        """
        return difference(self.before, self.state)


class Walk(Generic[S, E]):
    """How far somebody has come along a history, up to a version, or as far as it goes.

    `state` is that after the last step, `version` that up to which events were read.
    """

    def __init__(
        self, fold: Fold[S, E], decoders: Decoders, stream: str, start: Loaded[S], until: int | None = None
    ) -> None:
        self.state, self.version = start.state, start.version
        self._fold, self._decoders, self._stream, self._until = fold, decoders, stream, until

    async def page(self, backend: Backend) -> Sequence[Row]:
        """The next events, to be handed to `steps`; none at the end."""
        limit = PAGE if self._until is None else min(PAGE, self._until - self.version)
        if limit <= 0:
            return ()
        rows = await backend.read(Selection(InStream(self._stream), self.version, limit=limit))
        if rows:
            self.version = rows[-1].version
        if len(rows) < limit:
            self._until = self.version
        return rows

    def steps(self, row: Row) -> Sequence[Step[S, E]]:
        """What the event that stands there did: one step, or several or none if an upcaster reads it so.

        Raises:
            UnknownEventType, UndecodableEvent: the fold cannot read it.
        """
        return [self._step(event) for event in opened(self._decoders, row)]

    def _step(self, event: Recorded[E]) -> Step[S, E]:
        before, self.state = self.state, self._fold.evolve(self.state, event.data)
        return Step(event, before, self.state)


async def walk(
    backend: Backend, runtime: Runtime, fold: Fold[S, E], id: str, after: AsOf | None, until: AsOf | None
) -> Walk[S, E]:
    """A walk from one point to another.

    Raises:
        NoSuchVersion: the stream has not reached a version.
        UnknownEventType, UndecodableEvent: the fold cannot read what lies before.
        UsageError: one of them is no place in a history.
    """
    stream = checked_stream(fold.stream(id))
    end = None if until is None else await version_at(backend, stream, place("until", until))
    start = Loaded(fold.initial(), 0, Position(0))
    if after is not None:
        start = await load(backend, runtime, fold, id, place("after", after))
    return Walk(fold, runtime.codec.decoders(fold.event_types), stream, start, end)


async def diff(
    backend: Backend, runtime: Runtime, fold: Fold[Any, Any], id: str, old: AsOf, new: AsOf
) -> tuple[Operation, ...]:
    """What makes the state at one point of that at another.

    Raises:
        NoSuchVersion: the stream has not reached a version.
        UnknownEventType, UndecodableEvent: the fold cannot read the stream.
        UsageError: one of them is no place in a history, or a state holds what JSON has no form for.
    """
    places = place("old", old), place("new", new)
    before, after = [await load(backend, runtime, fold, id, each) for each in places]
    return difference(before.state, after.state)
