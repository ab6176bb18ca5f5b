"""Open an event log by its name: the reader for its format, unpacked if need be, with its progress in bytes."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, ClassVar, Literal, cast

from refold.errors import EventLogError, UsageError
from refold.eventlogs.csvlog import read_csv
from refold.eventlogs.jsonl import read_jsonl
from refold.eventlogs.ocel import read_ocel
from refold.eventlogs.rows import LogRow, Row, Table
from refold.eventlogs.xes import read_xes

PLENTY = 16 << 20
"""Bytes that any packed file may unpack to."""
RATIO = 200
"""To how many times its size it may unpack beyond that."""
SAMPLE = 100
"""Rows that are looked at for the columns, where a format has no header."""


class EventLog:
    """An opened log: iterate it once. `columns` is its header, or the fields of its first rows."""

    stage: ClassVar[Literal["check", "read"]] = "check"

    def __init__(self, path: Path, file: BinaryIO, table: Table) -> None:
        self.path = path
        self.columns = table.columns
        self.size = os.fstat(file.fileno()).st_size  # of a packed file the packed bytes
        self._file, self._rows = file, table.rows

    @property
    def done(self) -> int:
        """As `bytes_read`."""
        return self.bytes_read

    @property
    def bytes_read(self) -> int:
        """How far the file is read, while it is open; of a packed file the packed bytes, as in `size`."""
        return self._file.tell()

    def __iter__(self) -> Iterator[Row]:
        return self._rows


@contextmanager
def open_log(path: str | os.PathLike[str]) -> Generator[EventLog]:
    """The log in this file; the end of the name tells the format.

    Raises:
        UsageError: the end of the name tells nothing.
        EventLogError: the file cannot be opened, or read as what it says it is. Iterating may raise it too.
    """
    path = Path(path)
    read, packed = _format(path.name)
    with ExitStack() as stack:
        with _naming(path):
            file = stack.enter_context(path.open("rb"))
            source = stack.enter_context(_unpacked(file)) if packed else file
            columns, rows = read(source)
        yield EventLog(path, file, Table(columns, _named(path, rows)))


def _format(name: str) -> tuple[Callable[[BinaryIO], Table], bool]:
    plain = name.lower().removesuffix(".gz")
    for ending, read in _READERS.items():
        if plain.endswith(ending):
            return read, plain != name.lower()
    raise UsageError(f"{name!r} is no event log by its name: known are {', '.join(_READERS)}, each also with .gz.")


def _unpacked(file: BinaryIO) -> BinaryIO:
    return io.BufferedReader(cast("io.RawIOBase", _Unpacking(file)), buffer_size=64 * 1024)


class _Unpacking(gzip.GzipFile):
    """What a packed file unpacks to, until that is out of all proportion: no log repeats itself so often."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._packed = file

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size)
        if self.tell() > PLENTY and self.tell() > RATIO * self._packed.tell():
            raise EventLogError(
                f"unpacks to more than {RATIO} times its size, as no log does: unpack it yourself if it is one"
            )
        return chunk


def _sampled(read: Callable[[BinaryIO], Iterator[Row]]) -> Callable[[BinaryIO], Table]:
    def table(source: BinaryIO) -> Table:
        rows = read(source)
        first = list(islice(rows, SAMPLE))
        columns = dict.fromkeys(name for row in first if isinstance(row, LogRow) for name in row.fields)
        return Table(tuple(columns), chain(first, rows))

    return table


def _parquet(source: BinaryIO) -> Table:
    from refold.eventlogs.parquetlog import read_parquet  # noqa: PLC0415 - pyarrow is an optional dependency

    return read_parquet(source)


_READERS: Mapping[str, Callable[[BinaryIO], Table]] = {
    ".csv": read_csv,
    ".xes": _sampled(read_xes),
    ".jsonl": _sampled(read_jsonl),
    ".ndjson": _sampled(read_jsonl),
    ".parquet": _parquet,
    ".ocel.json": read_ocel,
    ".jsonocel": read_ocel,
}


@contextmanager
def _naming(path: Path) -> Generator[None]:
    try:
        yield
    except EventLogError as error:
        raise EventLogError(error.reason, path=str(path), line=error.line) from error
    except OSError as error:
        raise EventLogError(f"cannot be read: {error.strerror or error}", path=str(path)) from error
    except (EOFError, zlib.error) as error:
        raise EventLogError(f"is damaged or cut off: {error}", path=str(path)) from error


def _named(path: Path, rows: Iterator[Row]) -> Iterator[Row]:
    with _naming(path):
        yield from rows
