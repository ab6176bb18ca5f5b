"""A recorded event as one JSON object, or one row of CSV: how exports write it, and imports know it again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, cast
from uuid import UUID

import msgspec

from refold.codec import as_json
from refold.eventlogs.rows import BadRow, LogRow
from refold.messages import Metadata, NewEvent, RawEvent, Recorded

_Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Story(msgspec.Struct, frozen=True):
    """The metadata of an event that are not times. Without a correlation id it begins a story of its own."""

    correlation_id: str | None = None
    causation_id: str | None = None
    actor: str | None = None
    free: dict[str, str] = msgspec.field(default_factory=dict[str, str])


class EventRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it stood in a store. `valid_at` is None where the event itself does not say when it was true.

    Its JSON is the form in which events are exported and shown. Its fields are in the order in which people read them.
    """

    position: int | None = None
    stream: str
    version: int | None = None
    type: str
    schema_version: int = 1
    id: UUID
    recorded_at: _Instant | None = None
    valid_at: _Instant | None = None
    data: dict[str, Any]
    tags: tuple[str, ...] = ()
    metadata: Story = Story()

    def event(self) -> NewEvent[RawEvent]:
        """The event, to be appended to another store."""
        story = self.metadata
        metadata = Metadata(story.correlation_id or str(self.id), story.causation_id, story.actor, free=story.free)
        data = RawEvent(self.type, self.data, self.schema_version)
        return NewEvent(data, self.id, self.valid_at, frozenset(self.tags), metadata)


COLUMNS: Final = (
    "position", "stream", "version", "type", "schema_version", "id", "recorded_at", "valid_at",
    "data", "tags", "correlation_id", "causation_id", "actor", "metadata",
)  # fmt: skip
"""Those of CSV: data, tags and the free keys of the metadata are JSON, the rest of the metadata are columns."""

TELLING: Final = frozenset({"stream", "type", "schema_version", "id", "data", "metadata"})
"""Columns by which a log is known as one of ours."""
_AS_JSON: Final = ("data", "tags", "metadata")


def record_of(event: Recorded[Any]) -> EventRecord:
    """The record of an event of any class."""
    data, known = event.data, event.metadata
    return EventRecord(
        position=int(event.position),
        stream=str(event.stream),
        version=event.version,
        type=event.type,
        schema_version=event.schema_version,
        id=event.id,
        recorded_at=event.recorded_at,
        valid_at=known.valid_at,
        data=dict(data.data) if isinstance(data, RawEvent) else as_json(data),
        tags=tuple(sorted(event.tags)),
        metadata=Story(known.correlation_id, known.causation_id, known.actor, dict(known.free)),
    )


def cells(record: EventRecord) -> tuple[str, ...]:
    """The row of CSV, in the order of `COLUMNS`."""
    fields: dict[str, Any] = msgspec.to_builtins(record)
    story = fields.pop("metadata")
    flat = {**fields, **story, "metadata": story.pop("free")}
    for name in _AS_JSON:
        flat[name] = msgspec.json.encode(flat[name]).decode()
    return tuple("" if flat[name] is None else str(flat[name]) for name in COLUMNS)


def record_in(row: LogRow) -> EventRecord | BadRow:
    """The record that a row of an exported log is."""
    try:
        fields = _unflattened(row.fields) if isinstance(row.fields.get("data"), str) else row.fields
    except _NotJson as error:
        return BadRow(row.line, error.column, error.reason)
    return record_of_fields(row.line, fields, strict=fields is row.fields)


def record_of_fields(line: int, fields: Mapping[str, object], *, strict: bool) -> EventRecord | BadRow:
    """The record with these fields; `strict`: numbers and times are no texts that read as such."""
    try:
        return msgspec.convert(fields, EventRecord, strict=strict)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        return BadRow(line, path.strip(".`") or None, reason)


class _NotJson(Exception):
    def __init__(self, column: str, reason: str) -> None:
        self.column, self.reason = column, reason


def _unflattened(cells: Mapping[str, object]) -> dict[str, object]:
    fields = dict(cells)
    for name in _AS_JSON:
        try:
            value = cells.get(name, "{}")
            fields[name] = value if isinstance(value, list) else msgspec.json.decode(cast("str", value))
        except RecursionError as error:
            raise _NotJson(name, "values are nested too deeply") from error
        except (msgspec.DecodeError, TypeError) as error:
            raise _NotJson(name, f"it is not JSON: {error}") from error
    story = {name: fields.pop(name, None) for name in ("correlation_id", "causation_id", "actor")}
    return {**fields, "metadata": {**story, "free": fields["metadata"]}}
