"""Events as rows of a table: the one renderer of them, for pages and for what follows live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from refold.eventlogs.recorded import EventRecord, record_of
from refold.messages import Recorded
from refold.studio.figures import clock, stamp
from refold.studio.pages import render
from refold.studio.tokens import brief


class Row(Struct, frozen=True):
    """An event as a row shows it."""

    position: int
    time: str
    stamp: str
    stream: str
    category: str
    version: int
    type: str
    schema_version: int
    brief: str
    story: str


def row_of(event: Recorded[Any]) -> Row:
    """The row of an event."""
    record = record_of(event)
    return Row(
        int(event.position), clock(event.recorded_at), stamp(event.recorded_at), str(event.stream), event.stream.category,
        event.version, event.type, event.schema_version, brief(record.data), event.metadata.correlation_id,
    )  # fmt: skip


def rows_of(events: Iterable[Recorded[Any]]) -> Sequence[Row]:
    """The rows of events, in their order."""
    return [row_of(event) for event in events]


def html_of(rows: Sequence[Row], names: Mapping[str, Any], fresh: str = "") -> str:
    """The rows as HTML; `names`: what templates know."""
    return render("rows.html", rows=rows, fresh=fresh, selected=None, **names)


def records_of(events: Iterable[Recorded[Any]]) -> Sequence[EventRecord]:
    """The same for programs."""
    return [record_of(event) for event in events]
