"""Apply a transform to a row: what comes out is checked as an append would check it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import msgspec

from refold.clock import as_uuid
from refold.copying.stored import Arriving, StoredEvent, Transform, id_of, stored, unchanged
from refold.errors import InvalidEvent, Refused, TransformFailed, UsageError
from refold.flows.prepare import Cause, Runtime, checked_stream, prepare
from refold.messages import Metadata, NewEvent, RawEvent
from refold.ports import PAGE
from refold.rows import Row

_NOBODY: Final = Cause(None, None, None, {})
_encode = msgspec.json.Encoder().encode


def became(transform: Transform | None, runtime: Runtime, row: Row) -> Sequence[Arriving]:
    """What an event becomes in the copy: itself, if there is no transform.

    Raises:
        TransformFailed: the transform raised something, or gave what a store would not take.
    """
    if transform is None:
        return (unchanged(row),)
    event = stored(row)
    data = _encode(event.data)  # before the transform could have changed it in place
    try:
        given = tuple(cast("Iterable[Any]", transform(event)))
    except Exception as error:
        raise TransformFailed(
            row.type, row.stream, row.version, row.position, f"{type(error).__name__}: {error}"
        ) from error
    try:
        return [_arriving(runtime, row, data, event, each, nth) for nth, each in enumerate(_few(given))]
    except (Refused, UsageError) as error:
        raise TransformFailed(row.type, row.stream, row.version, row.position, str(error).removesuffix(".")) from error


def _few(given: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(given) >= PAGE:
        raise InvalidEvent(f"it was made into {len(given):,} events, fewer than {PAGE:,} are allowed.")
    return given


def _arriving(runtime: Runtime, row: Row, before: bytes, event: StoredEvent, given: object, nth: int) -> Arriving:
    if not isinstance(given, StoredEvent):
        raise InvalidEvent(f"it was made into {type(given).__name__}, not into a StoredEvent.")
    if _place(given) != _place(event):
        raise InvalidEvent("id, version, position and recorded_at are the copy's: leave them as they are.")
    if given.schema_version < 1:
        raise InvalidEvent(f"schema version {given.schema_version} is below 1.")
    stream = str(given.stream)
    metadata = Metadata(given.correlation_id, given.causation_id, given.actor, given.valid_at, given.metadata)
    new = NewEvent(
        RawEvent(given.type, given.data, given.schema_version),
        as_uuid(id_of(row.id, nth)),
        tags=frozenset(given.tags),
        metadata=metadata,
    )
    (prepared,) = prepare(runtime, (new,), _NOBODY)
    if prepared.data == before:
        prepared = msgspec.structs.replace(prepared, data=row.data)
    return Arriving(stream if stream == row.stream else checked_stream(stream), prepared, row.recorded_at)


def _place(event: StoredEvent) -> tuple[object, ...]:
    return event.id, event.version, event.position, event.recorded_at
