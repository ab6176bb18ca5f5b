"""Events as files, in the formats that other tools read; an import takes each back."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

import msgspec
from msgspec import structs

from refold.clock import as_uuid
from refold.copying.stored import id_of
from refold.errors import Refused, UsageError
from refold.eventlogs.cloudeventlog import write_cloudevents
from refold.eventlogs.ocelwriting import write_ocel
from refold.eventlogs.recorded import COLUMNS, EventRecord, cells, record_of
from refold.eventlogs.whole import whole_file
from refold.eventlogs.xeswriting import By, write_xes
from refold.messages import Recorded


class Choices(msgspec.Struct, frozen=True):
    """What some formats leave open: what a trace of XES is, and the `source` of CloudEvents."""

    by: By = "stream"
    source: str = "/refold"


Write: TypeAlias = Callable[[Iterable[EventRecord], BinaryIO, Choices], None]


def export(
    events: Iterable[Recorded[Any]],
    path: str | PathLike[str],
    format: str | None = None,
    *,
    choices: Choices | None = None,
    replace: bool = False,
) -> int:
    """Write events, in the order of their positions, to a file, and say how many they were. Memory stays constant.

    The end of the name tells the format. The file is there whole, or not at all. The events are what they are read as: of
    one that upcasters split, each part is an event of its own, with an id that follows from its.

    Raises:
        UsageError: there is no such format, or the file cannot be written. StoreFull: no space is left.
        Refused: the file is there already.
        MissingExtra: Parquet needs pyarrow.
    """
    path, counted = Path(path), _Counted(events)
    write = writer_of(format or format_of(path.name))
    if path.exists() and not replace:
        raise Refused(f"{str(path)!r} is there already: choose another name, or replace it.")
    with whole_file(path) as out:
        write(map(_of_its_own, counted), out, choices or Choices())
    return counted.count


def _of_its_own(event: Recorded[Any]) -> EventRecord:
    """The record of an event, whose id no other one has: the first part of several keeps it, as the first of a copy does.

    The others have no version, since that is where the first one stood.
    """
    record, nth = record_of(event), event.part - 1
    if nth == 0:
        return record
    return structs.replace(record, id=as_uuid(id_of(event.id.bytes, nth)), version=None)


class _Counted:
    def __init__(self, events: Iterable[Recorded[Any]]) -> None:
        self._events, self.count = events, 0

    def __iter__(self) -> Iterator[Recorded[Any]]:
        for event in self._events:
            self.count += 1
            yield event


def format_of(name: str) -> str:
    """The format that the end of a name tells.

    Raises:
        UsageError: it tells none.
    """
    for ending, format in ENDINGS.items():
        if name.lower().endswith(ending):
            return format
    *most, last = ENDINGS
    raise UsageError(
        f"{name!r} tells no format by its end: known are {', '.join(most)} and {last}; or name one with --format."
    )


def writer_of(format: str) -> Write:
    """What writes a format.

    Raises:
        UsageError: there is no such format.
        MissingExtra: Parquet needs pyarrow.
    """
    if format not in FORMATS:
        raise UsageError(f"there is no format {format!r}: known are {', '.join(FORMATS)}.")
    return FORMATS[format]()


def jsonl(events: Iterable[Recorded[Any]]) -> Iterator[str]:
    """One JSON object a line, with its end."""
    return (_line(record_of(event)).decode() for event in events)


def csv_row(cells: Iterable[str]) -> str:
    """One row of CSV (RFC 4180) with its end, which is LF."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _line(record: EventRecord) -> bytes:
    return _encode(record) + b"\n"


_encode = msgspec.json.Encoder().encode


def _write_jsonl(records: Iterable[EventRecord], out: BinaryIO, _: Choices) -> None:
    out.writelines(map(_line, records))


def _write_csv(records: Iterable[EventRecord], out: BinaryIO, _: Choices) -> None:
    out.write(csv_row(COLUMNS).encode())
    out.writelines(csv_row(cells(record)).encode() for record in records)


def _parquet() -> Write:
    from refold.eventlogs.parquetlog import write_events  # noqa: PLC0415 - pyarrow is an optional dependency

    return lambda records, out, _: write_events(records, out)


FORMATS: Final[Mapping[str, Callable[[], Write]]] = {
    "jsonl": lambda: _write_jsonl,
    "csv": lambda: _write_csv,
    "parquet": _parquet,
    "xes": lambda: lambda records, out, choices: write_xes(records, out, choices.by),
    "ocel": lambda: lambda records, out, _: write_ocel(records, out),
    "cloudevents": lambda: lambda records, out, choices: write_cloudevents(records, out, choices.source),
}
"""What finds the writer of each, since one needs what may not be installed."""

ENDINGS: Final[Mapping[str, str]] = {
    ".cloudevents.jsonl": "cloudevents",
    ".ocel.json": "ocel",
    ".jsonocel": "ocel",
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".xes": "xes",
}
"""The ends of the names of files. The first that fits counts."""
