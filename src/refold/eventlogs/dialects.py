"""Logs that tell whole events by their columns: those that a store exported, and those of other event stores."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from refold.eventlogs import cloudeventlog, kurrentdb, messagedb, ocel, xeswriting
from refold.eventlogs.eventsourcing import TELLING as STORED_EVENT
from refold.eventlogs.eventsourcing import Aggregates
from refold.eventlogs.recorded import TELLING as RECORD
from refold.eventlogs.recorded import EventRecord, record_in, record_of_fields
from refold.eventlogs.rows import BadRow, LogRow

Reading: TypeAlias = Callable[[LogRow], EventRecord | BadRow]
Fields: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Dialect(NamedTuple):
    """A kind of log: the columns that tell it, what reads its rows with a category for the streams, and its order.

    `exported`: it is one of ours, whose streams have their names. `sorted`: its events do not stand in the order in which
    they happened.
    """

    telling: Collection[str]
    reading: Callable[[str | None], Reading]
    exported: bool = False
    sorted: bool = False


def dialect_of(columns: Collection[str]) -> Dialect | None:
    """The one of a log with these columns; None for a table of events whose columns somebody must tell."""
    return next((each for each in _DIALECTS if set(each.telling).issubset(columns)), None)


def _ours(_: str | None) -> Reading:
    return record_in


def _stored(category: str | None) -> Reading:
    return _read(Aggregates(category).fields_of)


def _by(fields_of: Callable[[Mapping[str, Any], str | None], Mapping[str, Any]]) -> Callable[[str | None], Reading]:
    def reading(category: str | None) -> Reading:
        return _read(lambda row: fields_of(row, category))

    return reading


def _read(fields_of: Fields) -> Reading:
    def read(row: LogRow) -> EventRecord | BadRow:
        try:
            fields = fields_of(row.fields)
        except (
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
        ) as error:  # what is no such row may fail in any of them
            return BadRow(row.line, None, f"no value for {error}" if isinstance(error, KeyError) else str(error))
        return record_of_fields(row.line, fields, strict=False)

    return read


_DIALECTS: Final = (
    Dialect(RECORD, _ours, exported=True),
    Dialect(xeswriting.TELLING, _by(xeswriting.fields_of), exported=True, sorted=True),
    Dialect(ocel.TELLING, _by(ocel.fields_of), sorted=True),
    Dialect(cloudeventlog.TELLING, _by(cloudeventlog.fields_of)),
    Dialect(kurrentdb.TELLING, _by(kurrentdb.fields_of)),
    Dialect(messagedb.TELLING, _by(messagedb.fields_of)),
    Dialect(STORED_EVENT, _stored),
)
