"""An event as it stands in a store, whatever its class: what a transform is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID, uuid5

import msgspec

from refold.clock import as_datetime, as_uuid
from refold.codec import object_of
from refold.messages import Position, StreamName, parsed
from refold.rows import NewRow, Row


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of the source of a copy, its data as JSON, not upcast.

    `dataclasses.replace` makes another one of it. `id`, `version`, `position` and `recorded_at` are to be left as they
    are: the copy sees to them.
    """

    stream: StreamName
    type: str
    data: Mapping[str, Any]
    schema_version: int
    tags: frozenset[str]
    valid_at: datetime | None
    correlation_id: str
    causation_id: str | None
    actor: str | None
    metadata: Mapping[str, str]
    id: UUID
    version: int
    position: Position
    recorded_at: datetime


Transform: TypeAlias = Callable[[StoredEvent], Iterable[StoredEvent]]
"""What each event becomes in the copy: nothing, itself, another one, several. A pure function of the event alone."""


def stored(row: Row) -> StoredEvent:
    """What a transform is given of a row."""
    return StoredEvent(
        stream=parsed(row.stream),
        type=row.type,
        data=object_of(row.data),
        schema_version=row.schema_version,
        tags=frozenset(tags_of(row)),
        valid_at=None if row.valid_at is None else as_datetime(row.valid_at),
        correlation_id=row.correlation_id,
        causation_id=row.causation_id,
        actor=row.actor,
        metadata=_texts(row.metadata),
        id=as_uuid(row.id),
        version=row.version,
        position=Position(row.position),
        recorded_at=as_datetime(row.recorded_at),
    )


class Arriving(msgspec.Struct, frozen=True, gc=False):
    """An event on its way into a copy, and when it was recorded, in microseconds."""

    stream: str
    row: NewRow
    recorded_at: int


def unchanged(row: Row) -> Arriving:
    """The event as it is."""
    new = NewRow(
        row.id, row.type, row.schema_version, row.data, tags_of(row),
        row.valid_at, row.correlation_id, row.causation_id, row.actor, row.metadata,
    )  # fmt: skip
    return Arriving(row.stream, new, row.recorded_at)


def id_of(origin: bytes, nth: int) -> bytes:
    """The id of the `nth` event that one becomes: the first, 0, keeps it; a UUIDv5 (RFC 9562) of it and the number follows."""
    return origin if nth == 0 else uuid5(as_uuid(origin), str(nth)).bytes


def tags_of(row: Row) -> tuple[str, ...]:
    """The tags, sorted."""
    return () if row.tags == "[]" else _tags(row.tags)


_tags = msgspec.json.Decoder(tuple[str, ...]).decode
_texts = msgspec.json.Decoder(dict[str, str]).decode
