"""Events on their way from one store to another, through a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from refold.eventlogs.exporter import Choices, export
from refold.eventlogs.importer import Imported, checked_log
from refold.eventlogs.mapping import LogMapping
from refold.eventlogs.rows import BadRow
from refold.limits import Limits
from refold.messages import NewEvent, RawEvent
from refold.store import Store

ENDINGS = ("jsonl", "csv", "parquet", "xes", "ocel.json", "cloudevents.jsonl")


def store_of(events: Iterable[tuple[str, NewEvent[RawEvent]]] = ()) -> Store:
    """A store in memory that holds these."""
    store = Store.open("memory://", events=[RawEvent])
    for stream, event in events:
        store.append(stream, [event])
    return store


def held(store: Store) -> list[tuple[Any, ...]]:
    """All that a store holds and did not make up itself; data as text, in which 1 and 1.0 differ."""
    return [
        (str(e.stream), e.version, e.data.type, e.data.version, told(e.data.data), e.id, e.tags, e.metadata)
        for e in store.read()
    ]


def told(value: Any) -> str:
    """A JSON value, whatever the order of its keys."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {told(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(told, value)) + "]"
    return repr(value)


def exported(store: Store, path: Path, choices: Choices | None = None) -> int:
    """Export all, over what is there."""
    return export(store.read(), path, choices=choices, replace=True)


def imported(
    place: Path | str, into: Store, mapping: LogMapping | None = None, *, table: str | None = None
) -> tuple[Imported | None, list[BadRow]]:
    """Import a file as `refold import` does: nothing, if any row is bad."""
    with checked_log(place, mapping or LogMapping(), Limits(), lambda *_: None, table=table) as log:
        return (None if log.bad else log.write(into)), log.bad
