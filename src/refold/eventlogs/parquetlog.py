"""Parquet event logs, one event a row: exports with the columns of `to_arrow`, and the tables of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time
from decimal import Decimal
from itertools import islice
from math import isfinite
from typing import Any, BinaryIO, cast

from refold.arrow.files import GROUP, write_parquet
from refold.arrow.files import read_parquet as read_rows
from refold.clock import as_text
from refold.eventlogs.flat import as_json_text
from refold.eventlogs.recorded import EventRecord
from refold.eventlogs.rows import BadRow, Json, LogRow, Row, Table


def write_events(records: Iterable[EventRecord], out: BinaryIO) -> None:
    """The columns of `to_arrow`; `valid_at` is null where the event does not say when it was true."""
    waiting = iter(records)
    groups = iter(lambda: [_columns(record) for record in islice(waiting, GROUP)], [])
    write_parquet(groups, out)


def _columns(record: EventRecord) -> Mapping[str, Any]:
    category, _, id = record.stream.partition("-")
    story = record.metadata
    return {
        "position": record.position, "stream": record.stream, "category": category, "stream_id": id,
        "version": record.version, "type": record.type, "schema_version": record.schema_version,
        "id": as_text(record.id.bytes), "recorded_at": record.recorded_at, "valid_at": record.valid_at,
        "data": as_json_text(record.data), "tags": record.tags, "correlation_id": story.correlation_id,
        "causation_id": story.causation_id, "actor": story.actor, "metadata": as_json_text(story.free),
    }  # fmt: skip


def read_parquet(source: BinaryIO) -> Table:
    """The rows of a file, numbered from 1. What is null is no field; times and decimals are texts.

    Raises:
        EventLogError: it is no Parquet file.
        MissingExtra: pyarrow is not installed.
    """
    columns, rows = read_rows(source)
    return Table(tuple(columns), _numbered(rows))


def _numbered(rows: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        fields: dict[str, Json] = {}
        for name, value in row.items():
            try:
                if value is not None:
                    fields[name] = _json(value)
            except ValueError as error:
                yield BadRow(number, name, str(error))
                break
        else:
            yield LogRow(number, fields)


def _json(value: object) -> Json:
    match value:
        case None | str() | bool() | int():
            return value
        case float():
            if not isfinite(value):
                raise ValueError(f"it is {value}, which JSON does not have")
            return value
        case date() | time():  # a datetime is a date
            return value.isoformat()
        case Decimal():
            return str(value)
        case list() | tuple():
            return [_json(each) for each in cast("Iterable[object]", value)]
        case dict():
            return {str(key): _json(each) for key, each in cast("Mapping[object, object]", value).items()}
        case _:
            raise ValueError(f"it is {type(value).__name__}, which JSON does not have")
