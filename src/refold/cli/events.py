"""Events as the command line lists and shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from refold.cli.output import Column, Listing, print_object
from refold.eventlogs.recorded import COLUMNS, EventRecord, cells, record_of
from refold.messages import Recorded

Event: TypeAlias = Recorded[Any]


def _listing(*columns: Column[Event]) -> Listing[Event]:
    return Listing(columns, record_of, (COLUMNS, lambda event: cells(record_of(event))))


_TYPE: Column[Event] = Column("type", lambda e: e.type, "cyan")
_DATA: Column[Event] = Column("data", lambda e: e.data.data)

OF_A_STREAM = _listing(
    Column("version", lambda e: e.version),
    Column("valid at", lambda e: e.valid_at, "dim"),
    _TYPE,
    _DATA,
)
"""One stream tells its story in the order of versions, with the times at which it was true."""

OF_THE_STORE = _listing(
    Column("position", lambda e: int(e.position)),
    Column("recorded at", lambda e: e.recorded_at, "dim"),
    Column("stream", lambda e: str(e.stream)),
    _TYPE,
    _DATA,
)


def print_whole(event: Event, output: str) -> None:
    """One event with all that is known of it."""
    record = record_of(event)
    form: dict[str, Any] = msgspec.to_builtins(record, builtin_types=())
    print_object(form, output, lambda: _table(record))


def _table(record: EventRecord) -> None:
    from refold.cli.tables import json_text, print_facts  # noqa: PLC0415 - rich is loaded when it is needed

    story = record.metadata
    facts: Iterable[tuple[str, object]] = [
        ("stream", f"{record.stream}@{record.version}"),
        ("position", f"#{record.position}"),
        ("type", f"{record.type}, schema version {record.schema_version}"),
        ("id", str(record.id)),
        ("recorded at", record.recorded_at),
        ("valid at", record.valid_at),
        ("correlation", story.correlation_id),
        ("causation", story.causation_id),
        ("actor", story.actor),
        ("tags", ", ".join(record.tags)),
        *story.free.items(),
        ("data", json_text(record.data)),
    ]
    print_facts((name, fact) for name, fact in facts if fact not in (None, ""))
