"""What a log brings to a store: rows that the store will take, each with an id that follows from what it says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from refold.clock import SystemClock, as_microseconds
from refold.codec import Codec, raw_json
from refold.errors import Refused, UsageError
from refold.eventlogs.dialects import Reading, dialect_of
from refold.eventlogs.mapping import LogEntry, LogMapping, entries
from refold.eventlogs.recorded import EventRecord
from refold.eventlogs.rows import BadRow, Log, LogRow
from refold.eventlogs.spool import Packing, spool
from refold.flows.prepare import Cause, Runtime, checked_stream, prepare
from refold.limits import Limits
from refold.messages import RawEvent
from refold.rows import NewRow

_NAMESPACE: Final = UUID("c0de3a5e-9d3b-5c1f-8f7e-4b1f0a2d6e90").bytes


class Arrival(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event that the store will take, and the stream that it is for."""

    stream: str
    row: NewRow


def arrivals(log: Log, mapping: LogMapping, limits: Limits) -> Iterator[Arrival | BadRow]:
    """The events of a log, as a store with these limits would take them, and the rows that it would not take.

    Raises:
        UsageError: the mapping names a column that is not there, or none is found for stream or type.
    """
    dialect = dialect_of(log.columns)
    if dialect is None or mapping != LogMapping(category=None if dialect.exported else mapping.category):
        return _logged(log, mapping, limits)
    records = _records(log, dialect.reading(mapping.category))
    return _told(_in_order(records) if dialect.sorted else records, Runtime(Codec(), SystemClock(), limits))


def _logged(log: Log, mapping: LogMapping, limits: Limits) -> Iterator[Arrival | BadRow]:
    """The events of another system's log: each stream is a story of its own."""
    ids = _Ids()
    for entry in entries(log, mapping):
        if isinstance(entry, BadRow):
            yield entry
            continue
        try:
            yield Arrival(entry.stream, _row(entry, ids, limits))
        except Refused as error:
            yield BadRow(entry.line, None, str(error).removesuffix("."))


def _row(entry: LogEntry, ids: _Ids, limits: Limits) -> NewRow:
    """What `prepare` would make of it, in a third of the time: names and times are checked already."""
    type, moment = entry.type, entry.valid_at
    data = _json_of_texts(entry.data) or raw_json(RawEvent(type, entry.data))
    limits.check_event(type, data, b"{}")
    valid_at = None if moment is None else as_microseconds(moment)
    return NewRow(ids.of(entry, valid_at), type, 1, data, (), valid_at, entry.stream, None, None, b"{}")


def _json_of_texts(data: Mapping[str, object]) -> bytes | None:
    """Texts alone, as a CSV file has them, read back equal without being tried; None where something else is in there."""
    if not all(value.__class__ is str for value in data.values()):
        return None
    try:
        return msgspec.json.encode(data)
    except UnicodeEncodeError:
        return None


class _Ids:
    """An id for each entry of a log: a UUIDv5 (RFC 9562) of all that it says and of how many said the same before."""

    def __init__(self) -> None:
        self._seen: dict[bytes, int] = {}

    def of(self, entry: LogEntry, valid_at: int | None) -> bytes:
        said = _canonical((entry.stream, entry.type, valid_at, entry.data))
        hash = hashlib.sha1(_NAMESPACE + said, usedforsecurity=False)
        key = hash.digest()[:8]
        nth = self._seen[key] = self._seen.get(key, 0) + 1
        hash.update(b"#%d" % nth)
        id = bytearray(hash.digest()[:16])
        id[6], id[8] = id[6] & 0x0F | 0x50, id[8] & 0x3F | 0x80  # version 5, and the variant
        return bytes(id)


_canonical = msgspec.json.Encoder(order="sorted").encode


_Told: TypeAlias = "tuple[int, EventRecord]"


def _records(log: Log, reading: Reading) -> Iterator[_Told | BadRow]:
    """The whole events of a log, and the lines that they stand on."""
    for row in log:
        record = reading(row) if isinstance(row, LogRow) else row
        yield record if isinstance(record, BadRow) else (row.line, record)


def _in_order(records: Iterable[_Told | BadRow]) -> Iterator[_Told | BadRow]:
    """The same in the order in which they were recorded, or else of the times that they tell; bad rows come first."""
    with spool() as kept:
        for number, told in enumerate(records):
            if isinstance(told, BadRow):
                yield told
                continue
            kept.keep(_place(told[1]), number, _packing.pack(told))
        for _, packed in kept.sorted():
            yield _packing.unpack(packed)


def _place(record: EventRecord) -> int:
    if record.position is not None:
        return record.position
    return 0 if record.valid_at is None else as_microseconds(record.valid_at)


_packing: Final[Packing[_Told]] = Packing(tuple[int, EventRecord])


def _told(records: Iterable[_Told | BadRow], runtime: Runtime) -> Iterator[Arrival | BadRow]:
    """The events that another store held, as they were there."""
    lines: dict[UUID, int] = {}
    versions: dict[str, int] = {}
    for told in records:
        if isinstance(told, BadRow):
            yield told
            continue
        line, record = told
        if (first := lines.setdefault(record.id, line)) != line:
            yield BadRow(line, "id", f"{record.id} stands on line {first} already")
        elif record.version is not None and record.version <= (last := versions.get(record.stream, -1)):
            yield BadRow(line, None, f"version {record.version} of {record.stream!r} stands after version {last}")
        else:
            versions[record.stream] = -1 if record.version is None else record.version
            yield _prepared(runtime, line, record)


def _prepared(runtime: Runtime, line: int, record: EventRecord) -> Arrival | BadRow:
    try:
        (row,) = prepare(runtime, (record.event(),), _NOBODY)
        return Arrival(checked_stream(record.stream), row)
    except (Refused, UsageError) as error:
        return BadRow(line, None, str(error).removesuffix("."))


_NOBODY: Final = Cause(None, None, None, {})
