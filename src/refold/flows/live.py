"""Live: what is folded from the events into this process when it is read, and how far it goes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from refold.codec import Decoders
from refold.errors import UsageError
from refold.flows.prepare import Runtime, instant
from refold.flows.read import all_rows, is_hidden, opened
from refold.fold import Fold, Scoped, checked_fold
from refold.messages import Position, Recorded
from refold.ports import Backend, Matching, Selection
from refold.query import Query

S = TypeVar("S")


class Horizon:
    """Up to where to fold: the head each time, or for ever what the store knew then."""

    def __init__(self, as_of: datetime | Position | None) -> None:
        if type(as_of) is int:
            raise UsageError(f"as_of={as_of!r} is a version of a stream: give Position({as_of}) or a time.")
        self._as_of = as_of if as_of is None or isinstance(as_of, Position) else instant("as_of", as_of)
        self._found: int | None = None

    async def of(self, source: Backend) -> int:
        """The position."""
        if self._as_of is None:
            return await source.head()
        if self._found is None:
            self._found = await _known_at(source, self._as_of)
        return self._found


async def _known_at(source: Backend, as_of: int) -> int:
    if isinstance(as_of, Position):
        return min(as_of, await source.head())
    newest = await source.read(Selection(backward=True, limit=1, recorded_until=as_of))
    return newest[0].position if newest else 0


class Kept(Protocol):
    """What is kept of some events, all of them up to a position, and of what is stored next so many parts."""

    position: int
    taken: int
    event_types: tuple[type[Any], ...]
    tags: frozenset[str]

    def take(self, recorded: Recorded[Any]) -> None:
        """Fold one more event."""
        ...


async def fold(source: Backend, runtime: Runtime, kept: Kept, until: int) -> None:
    """Fold what is new up to a position. After an error it goes on with the event that caused it.

    Raises:
        UndecodableEvent: an event cannot be read.
    """
    if until <= kept.position:
        return
    if kept.event_types:
        decoders = runtime.codec.selecting(kept.event_types)
        selection = Selection(Matching(_selected(decoders, kept)), kept.position, position_until=until)
        async for row in all_rows(source, selection):
            for recorded in () if is_hidden(decoders, row) else opened(decoders, row)[kept.taken :]:
                kept.take(recorded)
                kept.taken += 1
            kept.position, kept.taken = row.position, 0
    kept.position = until


def _selected(decoders: Decoders, kept: Kept) -> Query:
    types = decoders.names or ()
    return Query.of(types=types, tags=kept.tags) if types or kept.tags else Query.all()


class State(Generic[S]):
    """The state of a fold after every event of its types, with its tags, whatever the stream."""

    def __init__(self, subject: Fold[S, Any] | Scoped[S, Any]) -> None:
        if not isinstance(subject, Scoped):
            checked_fold(subject)
        scoped = subject if isinstance(subject, Scoped) else subject.tagged()
        self._fold, self.tags = scoped.fold, scoped.tags
        self.event_types = self._fold.event_types
        self.value, self.position, self.taken = self._fold.initial(), 0, 0

    def take(self, recorded: Recorded[Any]) -> None:
        self.value = self._fold.evolve(self.value, recorded.data)
