"""Digests of what stores hold: one a stream, which depends on the order of its events, and one of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

from refold.copying.stored import Arriving, tags_of
from refold.rows import Row

SIZE: Final = 16
"""Bytes of a digest."""

FIELDS: Final = (
    "stream", "version", "id", "type", "schema_version", "data", "tags",
    "recorded_at", "valid_at", "correlation_id", "causation_id", "actor", "metadata",
)  # fmt: skip
"""What a digest covers of an event: all but its position, which another store may count otherwise."""


class StreamDigest(msgspec.Struct, frozen=True, gc=False):
    """How many events a stream holds, and their digest."""

    events: int
    digest: bytes


EMPTY: Final = StreamDigest(0, bytes(SIZE))
"""Of a stream that is not there."""


class Totals(msgspec.Struct, frozen=True):
    """A store as a whole. `digest` is hexadecimal, and depends on the order of all events over all streams."""

    events: int
    streams: int
    digest: str


class Digests:
    """What was seen of a store so far, in the order of its positions."""

    def __init__(self) -> None:
        self._streams: dict[str, StreamDigest] = {}
        self._whole = blake2b(digest_size=SIZE)
        self._events = 0

    def add(self, row: Row) -> StreamDigest:
        """Take in an event that stands in a store."""
        return self._add(row.stream, fields_of(row))

    def add_arriving(self, arriving: Arriving) -> StreamDigest:
        """Take in an event that will stand in a store, after those before it."""
        return self._add(arriving.stream, fields_to_be(arriving, self.of(arriving.stream).events + 1))

    def _add(self, stream: str, fields: tuple[Any, ...]) -> StreamDigest:
        before = self.of(stream)
        now = blake2b(before.digest + _canonical(fields), digest_size=SIZE).digest()
        self._whole.update(now)
        self._events += 1
        after = self._streams[stream] = StreamDigest(before.events + 1, now)
        return after

    def of(self, stream: str) -> StreamDigest:
        """That of one stream."""
        return self._streams.get(stream, EMPTY)

    @property
    def streams(self) -> Mapping[str, StreamDigest]:
        """That of each stream."""
        return self._streams

    @property
    def totals(self) -> Totals:
        """That of the whole."""
        return Totals(self._events, len(self._streams), self._whole.hexdigest())


def fields_of(row: Row) -> tuple[Any, ...]:
    """The values of `FIELDS` of a stored event."""
    return (
        row.stream, row.version, row.id.hex(), row.type, row.schema_version, _json(row.data), tags_of(row),
        row.recorded_at, row.valid_at, row.correlation_id, row.causation_id, row.actor, _json(row.metadata),
    )  # fmt: skip


def fields_to_be(arriving: Arriving, version: int) -> tuple[Any, ...]:
    """The values of `FIELDS` of an event that will be stored with this version."""
    row = arriving.row
    return (
        arriving.stream, version, row.id.hex(), row.type, row.schema_version, _json(row.data), row.tags,
        arriving.recorded_at, row.valid_at, row.correlation_id, row.causation_id, row.actor, _json(row.metadata),
    )  # fmt: skip


_canonical = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder().decode


def _json(data: bytes) -> Any:  # noqa: ANN401 - JSON of any shape
    """The value, so that spaces and the order of keys make no difference; the text, where no value can hold it."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return data.hex()
