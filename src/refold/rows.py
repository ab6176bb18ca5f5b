"""An event as bytes: on its way into a store, and as it stands there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import repeat
from typing import Any, Final, NamedTuple, TypeAlias

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


WRITTEN: Final = (*Row._fields, "digest")
"""The columns of an event as it is written: those of a row, and its digest."""


def made(fetched: Iterable[tuple[Any, ...]]) -> list[Row]:
    """The rows out of tuples as a driver gives them: `Row._make` of each, without a call of Python's for each."""
    return list(map(tuple[Any, ...].__new__, repeat(Row), fetched))


_packed: Final = msgspec.msgpack.Encoder().encode


def digest(row: Sequence[object]) -> bytes:
    """Eight bytes by which it is noticed that a stored event is not what was written: BLAKE2b over the MessagePack array.

    It needs no secret, so it guards against accidents and careless hands, not against whoever computes it anew.
    """
    return blake2b(_packed(row), digest_size=8).digest()


Payload: TypeAlias = tuple[int, int, str, int, bytes]
"""What a fold needs of an event, and no more: version, position, type, schema version, data. A plain tuple: the hot path."""
