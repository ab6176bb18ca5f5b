"""History: events for a test, with a place in streams and in the store, and stores that hold them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, Self, cast
from uuid import UUID

from msgspec.structs import replace

from refold.messages import Metadata, NewEvent, Position, RawEvent, Recorded, StreamName, several, spec_of
from refold.store import Store
from refold.testing.clock import ManualClock

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
STREAM: Final = "test-1"
"""Where events are that name no stream."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An event, its stream, and when it was recorded."""

    data: object
    stream: StreamName
    at: datetime


def in_stream(stream: StreamName | str, *events: object, at: datetime = START) -> tuple[Happened, ...]:
    """Events of one stream, for a history: `given(*in_stream("cart-1", A(), B()), *in_stream("cart-2", C()))`.

    Any of them may be a `NewEvent`, with tags, a `valid_at`, metadata or an id of its own.
    """
    return tuple(Happened(event, StreamName.parse(stream), at) for event in events)


def with_place(event: object, stream: StreamName | str, at: datetime) -> object:
    """An event that may have a stream and a time already, with one."""
    return event if event.__class__ in {Recorded, Happened} else Happened(event, StreamName.parse(stream), at)


def placed(history: Iterable[object]) -> tuple[Recorded[Any], ...]:
    """Events as they would be recorded one after another in an empty store.

    Those that are `Recorded` already keep what they have, but for their version and position; plain ones are in `STREAM`.
    """
    versions = Counter[StreamName]()
    found: list[Recorded[Any]] = []
    for number, one in enumerate(history, 1):
        event = cast("Recorded[object]", one) if isinstance(one, Recorded) else _recorded(one, number)
        versions[event.stream] += 1
        found.append(replace(event, version=versions[event.stream], position=Position(number)))
    return tuple(found)


def _recorded(one: object, number: int) -> Recorded[Any]:
    happened = one if isinstance(one, Happened) else Happened(one, StreamName.parse(STREAM), START)
    data: Any = happened.data
    new: NewEvent[Any] = cast("NewEvent[object]", data) if isinstance(data, NewEvent) else NewEvent(data)
    type, schema_version, tags = _spec(new.data)
    story = new.metadata if isinstance(new.metadata, Metadata) else Metadata("test", free=new.metadata)
    return Recorded(
        data=new.data,
        type=type,
        schema_version=schema_version,
        stream=happened.stream,
        version=0,
        position=Position(0),
        recorded_at=happened.at,
        id=new.id or UUID(int=number),
        tags=frozenset(tags).union(several("tags", new.tags)),
        metadata=replace(story, valid_at=new.valid_at or story.valid_at),
    )


def _spec(event: object) -> tuple[str, int, Iterable[str]]:
    if isinstance(event, RawEvent):
        return event.type, event.version, ()
    spec = spec_of(event.__class__)
    return spec.name, spec.version, spec.tags_of(event)


class Growing:
    """A scratch store, SQLite in memory, into which a history is appended piece by piece."""

    def __init__(self, history: Iterable[Recorded[Any]]) -> None:
        self._clock = ManualClock()
        self.store = Store.open("sqlite:///:memory:", clock=self._clock)
        self._left = iter(history)

    def grow(self, size: int | None = None) -> int:
        """Append the next so many events, or all that are left, as they were recorded, and say how many there were."""
        events = tuple(islice(self._left, size))
        for event in events:
            self._clock.set(event.recorded_at)
            new = NewEvent(event.data, id=event.id, tags=event.tags, metadata=event.metadata)
            self.store.append(event.stream, [new])
        return len(events)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.store.close()
