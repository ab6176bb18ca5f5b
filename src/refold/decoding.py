"""What is stored, read: one event as a rule, several where it is split, in the shape of today."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from refold.chains import Key, StepFailed, Way
from refold.clock import as_datetime
from refold.codec import ENCODE, Decoders, object_of
from refold.errors import StoreError, UndecodableEvent, UnknownEventType
from refold.messages import Metadata, Position, RawEvent, Recorded, parsed
from refold.personal import without_seals
from refold.rows import Row
from refold.upcasting import JsonObject


def _decoded(
    decoders: Decoders, type: str, schema_version: int, data: bytes, stream: str, version: int, position: int
) -> Any:
    """The event that stored data are, if they are read as they are stored.

    Raises:
        UnknownEventType: no decoder has this name.
        UndecodableEvent: the data do not fit the class, or are of another schema version.
    """
    try:
        decode = decoders[type, schema_version]
    except KeyError:
        raise _unreadable(decoders, type, schema_version, stream, version, position) from None
    try:
        return decode(data)
    except StoreError:  # the keys cannot be reached now: nothing is wrong with the event
        raise
    except Exception as error:  # a user's validator may raise anything
        raise UndecodableEvent(type, stream, version, position, error) from error


def _names(decoders: Decoders) -> Collection[str]:
    """The types that are known, for an error: those of the application."""
    return {name for name, _ in decoders if not name.startswith("$")}


def _unreadable(
    decoders: Decoders, type: str, schema_version: int, stream: str, version: int, position: int
) -> UnknownEventType | UndecodableEvent:
    (end, at), *_ = sorted(decoders.ends((type, schema_version)))
    versions = [known for name, known in decoders if name == end]
    if not versions:
        return UnknownEventType(type, stream, version, position, _names(decoders))
    reason = f"it was stored with schema version {schema_version}, the class has version {versions[0]}"
    if at < versions[0]:
        reason += f", and no upcaster leads there: it takes @upcast({end!r}, {at}, to={at + 1})"
    return UndecodableEvent(type, stream, version, position, reason)


class Piece(NamedTuple):
    """One of the events that something stored is read as: which of how many, its type, its schema version, itself."""

    part: int
    parts: int
    type: str
    schema_version: int
    event: Any


def pieces_of(
    decoders: Decoders, type: str, schema_version: int, data: bytes, stream: str, version: int, position: int
) -> Sequence[Piece]:
    """All that stored data are read as: one event as a rule, several where they are split, none that is passed over.

    Raises:
        UnknownEventType: no decoder has the name, or that of a part.
        UndecodableEvent: an upcaster failed, the data do not fit the class, or are of another schema version.
    """
    way = decoders.older.get((type, schema_version))
    if way is None:
        if decoders.passes_over((type, schema_version)):
            return ()
        event = _decoded(decoders, type, schema_version, data, stream, version, position)
        return (Piece(1, 1, type, schema_version, event),)
    try:
        ends = list(way.taken(without_seals(decoders.sealing, object_of(data), data, lambda: decoders.classes_of(way))))
        return [
            Piece(part, len(ends), *end, _decoded_end(decoders, end, shape))
            for part, (end, shape) in enumerate(ends, 1)
            if not decoders.selective or decoders.raw or end[0] in decoders.types
        ]
    except StoreError:  # as above
        raise
    except StepFailed as error:
        raise UndecodableEvent(type, stream, version, position, error, step=error.step) from error
    except _NoClass as error:
        raise UnknownEventType(error.type, stream, version, position, _names(decoders)) from None
    except Exception as error:
        raise UndecodableEvent(type, stream, version, position, f"upcast, {error}", step=_last(way)) from error


def events_of(
    decoders: Decoders, type: str, schema_version: int, data: bytes, stream: str, version: int, position: int
) -> Sequence[Any]:
    """The events of `pieces_of`, for those that want no more than them."""
    return [piece.event for piece in pieces_of(decoders, type, schema_version, data, stream, version, position)]


class _NoClass(Exception):
    def __init__(self, type: str) -> None:
        self.type = type


def _decoded_end(decoders: Decoders, end: Key, shape: JsonObject) -> Any:
    form = decoders.forms.get(end)
    if form is not None:
        return form.decode(ENCODE(shape))  # as though it had been stored so
    if decoders.raw:
        return RawEvent(end[0], shape, end[1])
    raise _NoClass(end[0])


def _last(way: Way) -> object:
    return way.fork or (way.steps[-1] if way.steps else f"{way.end}")


def recorded_each(
    decoders: Decoders, rows: Iterable[Row], ids: Iterable[UUID], times: Iterable[datetime], *, backward: bool = False
) -> Iterator[Recorded[Any]]:
    """Stored events with their data as instances of their classes, and with their ids and times as they were converted.

    The hot loop: each costs about as much as its row. Whole if it is read as it is stored, else whatever its shape is read as.

    Raises:
        UnknownEventType, UndecodableEvent: the decoders cannot read the next one.
    """
    for row, id, recorded_at in zip(rows, ids, times, strict=True):
        position, stream, version, _, type, schema_version, data, tags, _, valid_at, story, cause, actor, free = row
        try:
            event = decoders[type, schema_version](data)
        except Exception:  # noqa: BLE001 - of an older shape, or told in full by the slow path
            found = recorded_all(decoders, row, id, recorded_at)
            yield from reversed(found) if backward else found
            continue
        yield Recorded(
            event,
            type,
            schema_version,
            parsed(stream),
            version,
            Position(position),
            recorded_at,
            id,
            _NO_TAGS if tags == "[]" else _DECODE_TAGS(tags),
            Metadata(
                story,
                cause,
                actor,
                None if valid_at is None else as_datetime(valid_at),
                _NO_METADATA if free == b"{}" else _DECODE_METADATA(free),
            ),
        )


def recorded_all(decoders: Decoders, row: Row, id: UUID, recorded_at: datetime) -> Sequence[Recorded[Any]]:
    """All events that a stored one is read as, whatever its shape.

    Raises:
        UnknownEventType, UndecodableEvent: the decoders cannot read it.
    """
    pieces = pieces_of(decoders, row.type, row.schema_version, row.data, row.stream, row.version, row.position)
    return [
        Recorded(
            piece.event,
            piece.type,
            piece.schema_version,
            parsed(row.stream),
            row.version,
            Position(row.position),
            recorded_at,
            id,
            _DECODE_TAGS(row.tags),
            Metadata(
                row.correlation_id,
                row.causation_id,
                row.actor,
                None if row.valid_at is None else as_datetime(row.valid_at),
                _DECODE_METADATA(row.metadata),
            ),
            piece.part,
            piece.parts,
        )
        for piece in pieces
    ]


_NO_TAGS: frozenset[str] = frozenset()
_NO_METADATA: Mapping[str, str] = {}
_DECODE_TAGS = msgspec.json.Decoder(frozenset[str]).decode
_DECODE_METADATA = msgspec.json.Decoder(dict[str, str]).decode
