"""Which columns of a log are stream, type and time, and the entries that follow from its rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal

import msgspec

from refold.errors import InvalidName, UsageError, shortened
from refold.eventlogs.rows import BadRow, Json, Log, LogRow, Row
from refold.eventlogs.times import moment
from refold.flows.prepare import checked_stream
from refold.messages import checked_name

STREAM_COLUMNS = ("case:concept:name", "case_id", "case", "stream")
TYPE_COLUMNS = ("concept:name", "activity", "type", "event")
TIME_COLUMNS = ("time:timestamp", "timestamp", "time", "valid_at")

_STREAM_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]*-.", re.DOTALL)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SHOWN = 40


class LogEntry(msgspec.Struct, frozen=True, gc=False):
    """One event to import. `valid_at` is in UTC, `data` all that is not stream, type or time."""

    line: int
    stream: str
    type: str
    valid_at: datetime | None
    data: dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogMapping:
    """What a caller says of the columns. What is None is found by its usual names: the `..._COLUMNS` above."""

    stream_from: str | None = None
    type_from: str | None = None
    time_from: str | None = None
    category: str | None = None

    def resolve(self, columns: Iterable[str]) -> ResolvedMapping:
        """The mapping for a log with these columns. A log without times is allowed.

        Raises:
            UsageError: there is no such column, or the category is not one.
        """
        known = tuple(columns)
        if self.category is not None and ("-" in self.category or not self.category.strip()):
            raise UsageError(f"--category {self.category!r}: a category is one word or more without '-'.")
        return ResolvedMapping(
            stream=_required("stream", self.stream_from, STREAM_COLUMNS, known),
            type=_required("type", self.type_from, TYPE_COLUMNS, known),
            time=_found("time", self.time_from, TIME_COLUMNS, known),
            category=self.category,
        )


def _required(role: str, wanted: str | None, usual: tuple[str, ...], known: tuple[str, ...]) -> str:
    column = _found(role, wanted, usual, known)
    if column is None:
        raise UsageError(
            f"no column is the {role} by its name ({', '.join(usual)}); {_listed(known)}. Name it with --{role}-from."
        )
    return column


def _found(role: str, wanted: str | None, usual: tuple[str, ...], known: tuple[str, ...]) -> str | None:
    if wanted is not None and wanted not in known:
        raise UsageError(f"--{role}-from {wanted!r}: there is no such column; {_listed(known)}.")
    return wanted if wanted is not None else next((name for name in usual if name in known), None)


def _listed(known: tuple[str, ...]) -> str:
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return f"the log has {', '.join(map(repr, known[:_SHOWN])) or 'no columns'}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedMapping:
    """The columns of one log by their roles; `time` is None for a log without times."""

    stream: str
    type: str
    time: str | None
    category: str | None

    def entry(self, row: LogRow) -> LogEntry | BadRow:
        """The event that the row tells of, or what is wrong with its stream, type or time."""
        fields = row.fields
        try:
            stream = _allowed(self.stream, "stream", stream_name(_name(fields, self.stream), category=self.category))
            type = _allowed(self.type, "type", _name(fields, self.type))
            valid_at = None if self.time is None else _time(fields, self.time)
        except _BadValue as bad:
            return BadRow(row.line, bad.column, bad.reason)
        data = dict(fields)
        for column in (self.stream, self.type, self.time):
            if column is not None:
                data.pop(column, None)
        return LogEntry(row.line, stream, type, valid_at, data)


def stream_name(value: str, *, category: str | None) -> str:
    """`category-value`, once. Without a category: the value if it reads as `category-id` already, else `case-value`.

    A category is read off a value when it is ASCII letters, digits, `_` and `.`, and begins with a letter. The first
    part of a UUID is none, whatever it begins with.
    """
    if category is None:
        return value if _STREAM_NAME.match(value) and not _UUID.fullmatch(value) else f"case-{value}"
    prefix = f"{category}-"
    return value if value.startswith(prefix) and value != prefix else prefix + value


class _BadValue(Exception):
    def __init__(self, column: str, reason: str) -> None:
        self.column, self.reason = column, reason


def _name(fields: Mapping[str, Json], column: str) -> str:
    value = fields.get(column)
    if isinstance(value, str) and value and not value.isspace():
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _BadValue(column, _absent(value) or f"{shortened(value)} is not a name: it must be text or a whole number")


def _allowed(column: str, role: Literal["stream", "type"], name: str) -> str:
    if flaw := _flaw(role, name):
        raise _BadValue(column, flaw)
    return name


@lru_cache(maxsize=16_384)
def _flaw(role: Literal["stream", "type"], name: str) -> str | None:
    """Why no store would take this name, as the store itself would say it."""
    try:
        checked_stream(name) if role == "stream" else checked_name("event type", name)
    except (InvalidName, UsageError) as error:
        return str(error).removesuffix(".")
    return None


def _time(fields: Mapping[str, Json], column: str) -> datetime:
    value = fields.get(column)
    try:
        if isinstance(value, str):
            return moment(value)
    except ValueError:
        pass
    raise _BadValue(column, _absent(value) or f"{shortened(value)} is not a time such as 2011-10-11T13:45:40.276+02:00")


def _absent(value: Json) -> str | None:
    if value is None:
        return "there is no value"
    return f"the value {value!r} is empty" if isinstance(value, str) and not value.strip() else None


def entries(log: Log, mapping: LogMapping) -> Iterator[LogEntry | BadRow]:
    """The log, row by row. If its columns are not known yet, they are those of its first good row.

    Raises:
        UsageError: the log has no such columns. Known columns are looked at before this function returns.
    """
    resolved = mapping.resolve(log.columns) if log.columns else None
    return _entries(log, mapping, resolved)


def _entries(rows: Iterable[Row], mapping: LogMapping, resolved: ResolvedMapping | None) -> Iterator[LogEntry | BadRow]:
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        if resolved is None:
            resolved = mapping.resolve(row.fields)
        yield resolved.entry(row)
