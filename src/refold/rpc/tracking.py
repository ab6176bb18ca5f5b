"""Tracking: how far a client has followed another store, recorded with the events that follow from that."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from refold.aio import AsyncStore
from refold.errors import Refused, UsageError, shortened
from refold.messages import NAME_LIMIT, NewEvent, OwnEvent, RawEvent, checked_name
from refold.query import AppendCondition, Query
from refold.rpc.events import TRACKING
from refold.rpc.notes import Note, note_in
from refold.rpc.protocol import umadb_pb2 as pb

PASSED: Final = "$umadb.passed"
"""The type of the event that keeps what was tracked where nothing followed from it. It is not visible."""


class Mark(Struct, frozen=True):
    """How far a source was followed, if it was, and where that stands."""

    source: str
    position: int | None
    stands_at: int

    def check(self, position: int) -> AppendCondition:
        """What must hold for that to be recorded: nobody was faster; never, if that would be no step forward."""
        is_forward = self.position is None or position > self.position
        return AppendCondition(_query(self.source), self.stands_at if is_forward else 0)

    def refuse(self, position: int) -> None:
        """Raises `Behind`, if that would be no step forward."""
        if self.position is not None and position <= self.position:
            raise Behind(self.source, position, self.position)


class Behind(Refused):
    """A source was followed as far as that already: recorded once, what follows from an event is not appended twice."""

    def __init__(self, source: str, position: int, known: int) -> None:
        super().__init__(
            f"non-increasing tracking position for source {shortened(source)}: {position} <= {known}. "
            "It was followed so far already."
        )


def checked_source(source: str) -> str:
    """A source, if it can be one: 1 to 190 printable characters.

    Raises:
        InvalidName, UsageError: it cannot.
    """
    if len(source) > NAME_LIMIT - len(TRACKING):
        raise UsageError(
            f"tracking source {shortened(source)} has {len(source)} characters: {NAME_LIMIT - len(TRACKING)} are allowed."
        )
    return checked_name("tracking source", source)


def _query(source: str) -> Query:
    return Query.of(tags=[TRACKING + source])


async def mark_of(store: AsyncStore, source: str) -> Mark:
    """How far a source was followed."""
    async for event in store.read(query=_query(source), direction="backward", limit=1):
        note = note_in(event.metadata.free)
        return Mark(source, None if note.tracking is None else note.tracking[1], event.position)
    return Mark(source, None, 0)


def passed(tracking: tuple[str, int]) -> NewEvent[object]:
    """The event that keeps what was tracked, and nothing else."""
    tags = frozenset({TRACKING + tracking[0]})
    return OwnEvent(RawEvent(PASSED, {}), tags=tags, metadata=Note(tracking=tracking).entry())


def tracking_in(request: pb.AppendRequest) -> tuple[str, int] | None:
    """What an append tracks, if anything.

    Raises:
        InvalidName, UsageError: the source cannot be one.
    """
    if not request.HasField("tracking_info"):
        return None
    return checked_source(request.tracking_info.source), request.tracking_info.position
