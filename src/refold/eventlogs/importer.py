"""Import an event log into a store: the whole file checked first, then written in large appends, each event once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from os import PathLike
from typing import IO, Any, Final, Literal, TypeAlias

import msgspec

from refold.clock import as_microseconds, as_uuid
from refold.codec import object_of
from refold.errors import IdReused
from refold.eventlogs.arrivals import Arrival, arrivals
from refold.eventlogs.mapping import LogMapping
from refold.eventlogs.rows import BadRow, Log
from refold.eventlogs.sources import open_source
from refold.limits import Limits
from refold.messages import Recorded
from refold.ports import Write
from refold.store import Store

Stage: TypeAlias = Literal["check", "read", "write"]
Tell: TypeAlias = Callable[[Stage, int, int], object]
"""Told how far a stage is and how far it goes: bytes of a file for "check", rows of a database for "read", events for "write"."""

SHOWN: Final = 20
"""How many bad rows are kept to be shown; the rest are counted."""
BATCH: Final = 10_000
"""Events of one append at most, if the store's limits allow it."""
_IN_MEMORY: Final = 32 << 20
"""Bytes of checked events above which they wait in a temporary file."""


class Imported(msgspec.Struct, frozen=True):
    """What came of an import: events written, streams they went to, and events that were there already."""

    events: int
    streams: int
    known: int


class CheckedLog:
    """A log that was read to its end: its good events, waiting to be written, and its bad rows."""

    def __init__(self, spool: IO[bytes], tell: Tell) -> None:
        self._spool, self.tell = spool, tell
        self._batches: list[int] = []
        self.events = 0
        self.bad: list[BadRow] = []
        self.bad_count = 0

    def keep(self, batch: Sequence[Arrival]) -> None:
        """Add a batch."""
        packed = _pack(batch)
        self._spool.write(packed)
        self._batches.append(len(packed))
        self.events += len(batch)

    def blame(self, row: BadRow) -> None:
        """Add a bad row; the first ones are kept."""
        self.bad_count += 1
        if len(self.bad) < SHOWN:
            self.bad.append(row)

    def write(self, store: Store) -> Imported:
        """Append what the store, which was opened with `events=[RawEvent]`, does not hold yet.

        Ended half-way, it can be begun anew: no event is written twice.

        Raises:
            IdReused: an event that was exported from a store has the id of another event of this one.
        """
        known, streams, done = 0, set[str](), 0
        for batch in self._read():
            new = _append(store, batch)
            known += len(batch) - len(new)
            streams.update(arrival.stream for arrival in new)
            done += len(batch)
            self.tell("write", done, self.events)
        return Imported(self.events - known, len(streams), known)

    def _read(self) -> Iterator[Sequence[Arrival]]:
        self._spool.seek(0)
        for size in self._batches:
            yield _unpack(self._spool.read(size))


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[Arrival, ...]).decode


@contextmanager
def checked_log(
    path: str | PathLike[str], mapping: LogMapping, limits: Limits, tell: Tell, *, table: str | None = None
) -> Generator[CheckedLog]:
    """The log in a file or a database, read and checked as a store with these limits would check it.

    Events get ids that follow from what they say, so that importing them again adds nothing; events that a store
    exported keep theirs.

    Raises:
        UsageError: the end of its name tells no format, or the mapping names a column that is not there, or a database has
            no table of events, or several and none is named.
        EventLogError: it cannot be read, or not to its end.
    """
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        checked = CheckedLog(spool, tell)
        with open_source(path, table) as log:
            _check(checked, log, arrivals(log, mapping, limits), limits)
        yield checked


def _check(checked: CheckedLog, log: Log, arrivals: Iterable[Arrival | BadRow], limits: Limits) -> None:
    """Keep what is good in batches, and blame the rest."""
    batch: list[Arrival] = []
    size, most_events, most_bytes = 0, min(BATCH, limits.batch_events), limits.batch_bytes
    for arrival in arrivals:
        if isinstance(arrival, BadRow):
            checked.blame(arrival)
            continue
        bytes = len(arrival.row.data)
        if len(batch) == most_events or size + bytes > most_bytes:
            checked.keep(batch)
            checked.tell(log.stage, log.done, log.size)
            batch, size = [], 0
        batch.append(arrival)
        size += bytes
    if batch:
        checked.keep(batch)
    checked.tell(log.stage, log.size, log.size)


def _append(store: Store, batch: Sequence[Arrival]) -> Sequence[Arrival]:
    """Append those of a batch that are not there, and say which they were.

    Another import may write the same events meanwhile: whatever it was quicker with is looked up and left out.
    """
    new = batch
    while new:
        try:
            receipts = store.append_all(_writes(new))
        except IdReused:
            known = {event.id.bytes: event for event in store.find(*(as_uuid(arrival.row.id) for arrival in new))}
            _check_same(new, known)
            new = [arrival for arrival in new if arrival.row.id not in known]
        else:
            return () if receipts[0].repeated else new
    return new


def _writes(batch: Iterable[Arrival]) -> Iterator[Write]:
    """In the order of the file, which is that of what happened, over all streams."""
    for stream, run in groupby(batch, key=lambda arrival: arrival.stream):
        yield Write(stream, tuple(arrival.row for arrival in run))


def _check_same(batch: Iterable[Arrival], known: dict[bytes, Recorded[Any]]) -> None:
    others = [a.row.id for a in batch if a.row.id in known and not _same(a, known[a.row.id])]
    if others or not known:
        raise IdReused(as_uuid(id) for id in others)


def _same(arrival: Arrival, event: Recorded[Any]) -> bool:
    row, valid_at = arrival.row, event.metadata.valid_at
    return (arrival.stream, row.type, row.schema_version, object_of(row.data), row.valid_at, frozenset(row.tags)) == (
        str(event.stream), event.type, event.schema_version, event.data.data,
        None if valid_at is None else as_microseconds(valid_at), event.tags,
    )  # fmt: skip
