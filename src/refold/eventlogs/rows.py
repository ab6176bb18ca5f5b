"""What a reader of event logs yields: the rows as they stand in the file, and the rows that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import BinaryIO, ClassVar, Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from refold.errors import EventLogError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

LONGEST = 16 * 1024 * 1024
"""Bytes of a line, or of an XES event. What is longer is no log, and would fill the memory."""


class LogRow(msgspec.Struct, frozen=True, gc=False):
    """One event of a log. `line` counts from 1, is where the row begins; what the log leaves empty is no field."""

    line: int
    fields: Mapping[str, Json]


class BadRow(msgspec.Struct, frozen=True, gc=False):
    """A row that cannot be read. `column` is the field it is about, where one is known."""

    line: int
    column: str | None
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}{'' if self.column is None else f', column {self.column!r}'}: {self.reason}"


Row: TypeAlias = LogRow | BadRow


class Table(NamedTuple):
    """Rows in the order of the file, to be iterated once, and the columns known so far."""

    columns: tuple[str, ...]
    rows: Iterator[Row]


class Log(Protocol):
    """An opened log: iterate it once. `columns` are those known so far. A file is checked, a database is read."""

    stage: ClassVar[Literal["check", "read"]]
    columns: tuple[str, ...]

    @property
    def size(self) -> int:
        """How much there is to read: bytes of a file, rows of a database."""
        ...

    @property
    def done(self) -> int:
        """How much of it is read."""
        ...

    def __iter__(self) -> Iterator[Row]: ...


def physical_lines(source: BinaryIO) -> Iterator[bytes]:
    """The lines of a file with their ends.

    Raises:
        EventLogError: a line is longer than `LONGEST`.
    """
    for line, raw in enumerate(iter(partial(source.readline, LONGEST), b""), 1):
        if len(raw) == LONGEST:
            raise EventLogError(f"is longer than {LONGEST:,} bytes: this is no log of one event a line", line=line)
        yield raw
