"""Events as the lines of a file: JSONL, which an import takes back whole, and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from refold.eventlogs.recorded import COLUMNS, cells, record_of
from refold.messages import Recorded

Lines: TypeAlias = Callable[[Iterable[Recorded[Any]]], Iterator[str]]


def jsonl(events: Iterable[Recorded[Any]]) -> Iterator[str]:
    """One JSON object a line, with its end."""
    return (_encode(record_of(event)).decode() + "\n" for event in events)


def csv_rows(events: Iterable[Recorded[Any]]) -> Iterator[str]:
    """CSV (RFC 4180), lines ending in LF: first the names of the columns, then one event a row."""
    yield csv_row(COLUMNS)
    for event in events:
        yield csv_row(cells(record_of(event)))


def csv_row(cells: Iterable[str]) -> str:
    """One row with its end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


_encode = msgspec.json.Encoder().encode

FORMATS: Final[Mapping[str, Lines]] = {"jsonl": jsonl, "csv": csv_rows}
"""By the ends of the names of files."""
