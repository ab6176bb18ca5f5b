"""CSV event logs: one event a row, the first line names the columns, every value is text."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import chain
from threading import Lock
from typing import BinaryIO, Final, Protocol

from refold.errors import EventLogError, shortened
from refold.eventlogs.rows import LONGEST, BadRow, LogRow, Row, Table, physical_lines

SEPARATORS = ",;\t"
LONGEST_HEAD = 100
"""Lines: what is quoted for longer is no name of a column, but a quote left open."""

LONGEST_CELL = LONGEST
"""Characters of a value. What is longer is no value, but a quote left open."""

_limited: Final = Lock()
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Reader(Protocol):
    """What `csv.reader` returns; it has no public name before Python 3.12."""

    @property
    def line_num(self) -> int: ...
    def __next__(self) -> list[str]: ...


def read_csv(source: BinaryIO) -> Table:
    """The rows of a UTF-8 file, with the separator that splits its first line into most columns.

    Lines are physical lines, so that a quoted value may span several. Empty lines are passed over.

    Raises:
        EventLogError: the first line does not name the columns, each once.
    """
    lines = _TextLines(source)
    text = iter(lines)
    head = _head(text)
    if lines.damage:
        raise EventLogError(f"is not UTF-8: {lines.damage}. Save the file as UTF-8.", line=1)
    try:
        reader = csv.reader(chain(head, text), delimiter=_separator(head), strict=True)
        header = tuple(next(reader, ()))
    except csv.Error as error:
        raise EventLogError(f"cannot be read as the names of the columns: {error}", line=1) from error
    _check(header)
    return Table(header, _rows(lines, reader, header))


class _TextLines:
    """Decoded lines. One that is not UTF-8 sets `damage`, and has lone surrogates for its undecodable bytes."""

    def __init__(self, source: BinaryIO) -> None:
        self.source = source
        self.damage: UnicodeDecodeError | None = None

    def __iter__(self) -> Iterator[str]:
        for raw in physical_lines(self.source):
            try:
                yield raw.decode()
            except UnicodeDecodeError as error:
                self.damage = error
                yield raw.decode(errors="surrogateescape")  # keeps the quotes in step, so that only this row is lost


def _head(text: Iterator[str]) -> list[str]:
    """The first line, with those that follow it within quotes."""
    head = [next(text, "").removeprefix("\ufeff")]
    while sum(line.count('"') for line in head) % 2 and len(head) < LONGEST_HEAD and (line := next(text, "")):
        head.append(line)
    return head


def _separator(head: list[str]) -> str:
    return max(SEPARATORS, key=lambda mark: _width(head, mark))


def _width(head: list[str], separator: str) -> int:
    """The number of columns; 1 if they cannot be told, so that a comma is left to say why."""
    try:
        return len(next(csv.reader(head, delimiter=separator, strict=True), ()))
    except csv.Error:
        return 1


def _check(header: tuple[str, ...]) -> None:
    if not header:
        raise EventLogError("is empty: it must name the columns", line=1)
    for number, name in enumerate(header, 1):
        if not name.strip():
            raise EventLogError(f"column {number} of {len(header)} has no name", line=1)
        if name in header[: number - 1]:
            raise EventLogError(f"names the column {shortened(name)} twice", line=1)


def _rows(lines: _TextLines, reader: _Reader, header: tuple[str, ...]) -> Iterator[Row]:
    width = len(header)
    while True:
        line = reader.line_num + 1
        try:
            cells = _next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines.damage = None
            yield BadRow(line, None, _explained(error))
            continue
        if lines.damage:
            yield _undecodable(line, header, cells, lines.damage)
            lines.damage = None
        elif len(cells) == width:
            yield LogRow(line, {name: cell for name, cell in zip(header, cells, strict=True) if cell})
        elif cells:
            yield _misfit(line, header, cells)


def _next(reader: _Reader) -> list[str]:
    """The next row, by a limit of our own. That of the csv module is one for the whole process, so it is put back at once."""
    with _limited:
        theirs = csv.field_size_limit(LONGEST_CELL)
        try:
            return next(reader)
        finally:
            csv.field_size_limit(theirs)


def _explained(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end of data" in text:
        return "a quoted value that begins here is never closed"
    if "field larger than field limit" in text:
        return f"{text}: is a quote left open?"
    if "new-line character" in text:
        return "a carriage return stands outside quotes: end the lines with \\n or \\r\\n"
    return f"not CSV: {text}"


def _undecodable(line: int, header: tuple[str, ...], cells: list[str], damage: UnicodeDecodeError) -> BadRow:
    column = next((name for name, cell in zip(header, cells, strict=False) if _SURROGATE.search(cell)), None)
    return BadRow(line, column, f"byte 0x{damage.object[damage.start]:02x} is not UTF-8 ({damage.reason})")


def _misfit(line: int, header: tuple[str, ...], cells: list[str]) -> BadRow:
    column = header[min(len(cells), len(header) - 1)]
    what = "this column is the first one missing" if len(cells) < len(header) else "the rest stands after this column"
    return BadRow(line, column, f"the row has {len(cells)} values for {len(header)} columns: {what}")
