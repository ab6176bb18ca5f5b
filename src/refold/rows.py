"""An event as bytes: on its way into a store, and as it stands there."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import msgspec


class NewRow(msgspec.Struct, frozen=True, gc=False):
    """An event on its way into a store. Times are microseconds since 1970 UTC, ids are 16 bytes."""

    id: bytes
    type: str
    schema_version: int
    data: bytes
    tags: tuple[str, ...]
    valid_at: int | None
    correlation_id: str
    causation_id: str | None
    actor: str | None
    metadata: bytes


class Row(NamedTuple):
    """An event as it is stored. Times are microseconds since 1970 UTC, ids are 16 bytes, tags a JSON array."""

    position: int
    stream: str
    version: int
    id: bytes
    type: str
    schema_version: int
    data: bytes
    tags: str
    recorded_at: int
    valid_at: int | None
    correlation_id: str
    causation_id: str | None
    actor: str | None
    metadata: bytes


Payload: TypeAlias = tuple[int, int, str, int, bytes]
"""What a fold needs of an event, and no more: version, position, type, schema version, data. A plain tuple: the hot path."""
