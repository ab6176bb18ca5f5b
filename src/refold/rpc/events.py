"""Events between the protocol, which knows no streams, and Refold, which does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from uuid import UUID

from msgspec import Struct

from refold.errors import UsageError, shortened
from refold.messages import OWN, NewEvent, OwnEvent, RawEvent, Recorded, StreamName, checked_name
from refold.rpc.notes import KEY, Note, note_in, placed, places_of
from refold.rpc.payloads import given_back, kept
from refold.rpc.protocol import umadb_pb2 as pb

STREAM: Final = "dcb-events"
"""The stream of all events that are appended without naming another."""
IN_STREAM: Final = "$stream"
"""The key of metadata under which a client names a stream, and is told it."""
SCHEMA: Final = "$schema_version"
"""The same, for the version of the event's schema; without it, 1."""
TRACKING: Final = "$tracking:"
"""What the tag begins with that finds the events that tell how far a source was followed."""
_MOST: Final = 100
"""How many tags and how many keys of metadata an event may have, as over HTTP."""


class Draft(Struct, frozen=True):
    """An event to append: what is checked by the classes of an application, and what is noted about it."""

    type: str
    data: Mapping[str, object]
    schema_version: int
    stream: str
    id: UUID | None
    tags: frozenset[str]
    free: Mapping[str, str]
    note: Note

    def new(self, tracking: tuple[str, int] | None, *, last: bool) -> NewEvent[object]:
        """The event. What is tracked stands in each, and the last of an append is found by it."""
        tags = {*self.tags, TRACKING + tracking[0]} if tracking is not None and last else self.tags
        note = Note(self.note.written, self.note.places, tracking)
        data = RawEvent(self.type, self.data, self.schema_version)
        return OwnEvent(data, self.id, tags=frozenset(tags), metadata={**self.free, **note.entry()})


def draft(event: pb.Event) -> Draft:
    """An event that came.

    Raises:
        InvalidName, UsageError: it has what Refold's events cannot have.
    """
    data, written = kept(event.data)
    tags, metadata = [*_tags(event.tags)], _metadata(event.metadata)
    return Draft(
        _type(event.event_type), data, _version(metadata.pop(SCHEMA, "1")), metadata.pop(IN_STREAM, STREAM),
        _id(event.uuid), frozenset(tags), _own(metadata), Note(written, places_of(tags)),
    )  # fmt: skip


def _type(name: str) -> str:
    if name.startswith(OWN):
        raise UsageError(f"event type {shortened(name)}: those that begin with '$' are Refold's own.")
    return checked_name("event type", name)


def _tags(tags: Iterable[str]) -> Iterator[str]:
    for count, tag in enumerate(tags, 1):
        if count > _MOST:
            raise UsageError(f"an event has more than {_MOST} tags: so many are allowed.")
        if tag.startswith(TRACKING):
            raise UsageError(f"tag {shortened(tag)}: send tracking_info, which this stands for.")
        yield checked_name("tag", tag)


def _metadata(entries: Iterable[pb.MetadataEntry]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries:
        if entry.key in found:
            raise UsageError(f"metadata key {shortened(entry.key)} stands twice: a key has one value.")
        found[entry.key] = entry.value
    if len(found) > _MOST:
        raise UsageError(f"an event has {len(found)} keys of metadata: {_MOST} are allowed.")
    return found


def _own(metadata: dict[str, str]) -> Mapping[str, str]:
    """The keys that are left, none of which is Refold's own."""
    if own := next((key for key in metadata if key.startswith(OWN)), None):
        raise UsageError(
            f"metadata key {shortened(own)}: of those that begin with '$', {IN_STREAM} and {SCHEMA} can be given."
        )
    return metadata


def _version(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= 6 and int(text):  # noqa: PLR2004 - below a million
        return int(text)
    raise UsageError(f"{SCHEMA}={shortened(text)} is no version of a schema: write 1 or more.")


def _id(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError as error:
        raise UsageError(f"{shortened(text)} is no UUID.") from error


def is_visible(event: Recorded[RawEvent]) -> bool:
    """Whether those see it who use the protocol: what is Refold's own is hidden."""
    return not event.stream.category.startswith(OWN) and not event.type.startswith(OWN)


def told(event: Recorded[RawEvent]) -> pb.SequencedEvent:
    """An event as the protocol has it."""
    note = note_in(event.metadata.free)
    tags = placed([tag for tag in event.tags if not tag.startswith(TRACKING)], note.places)
    metadata = [pb.MetadataEntry(key=key, value=value) for key, value in _told(event).items()]
    found = pb.SequencedEvent(
        position=event.position,
        event=pb.Event(
            event_type=event.type, tags=tags, data=given_back(event.data.data, note.written), uuid=str(event.id),
            metadata=metadata,
        ),
    )  # fmt: skip
    if note.tracking is not None:
        found.tracking_info.CopyFrom(pb.TrackingInfo(source=note.tracking[0], position=note.tracking[1]))
    return found


def _told(event: Recorded[RawEvent]) -> Mapping[str, str]:
    """The metadata: the keys that the event has, and of Refold's own what the protocol has no field for."""
    free = {key: value for key, value in event.metadata.free.items() if key != KEY}
    known = {SCHEMA: str(event.schema_version)} if event.schema_version > 1 else {}
    return {**free, **known, **({} if str(event.stream) == STREAM else _of_stream(event, event.stream))}


def _of_stream(event: Recorded[RawEvent], stream: StreamName) -> Mapping[str, str]:
    known = event.metadata
    found = {
        IN_STREAM: str(stream),
        "$correlation_id": known.correlation_id,
        "$causation_id": known.causation_id,
        "$actor": known.actor,
        "$valid_at": known.valid_at and known.valid_at.isoformat(),
    }
    return {key: value for key, value in found.items() if value}
