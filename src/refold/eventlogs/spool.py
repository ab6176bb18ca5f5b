"""Bytes put aside on disk, and taken again in an order: so that a log of any length is sorted in little memory."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

_TOGETHER: Final = 1_000


class Spool:
    """What is kept comes back in the order of two numbers, of which one may be the place of a name."""

    def __init__(self, disk: sqlite3.Connection) -> None:
        self._disk = disk
        self._waiting: list[tuple[int, int, bytes]] = []
        disk.execute("create table kept (place integer, number integer, content blob)")
        disk.execute("create table names (place integer primary key, name text unique, kind text)")

    def keep(self, place: int, number: int, content: bytes) -> None:
        """Put something aside; `number` orders what has the same place. Each is an integer of 64 bits."""
        self._waiting.append((place, number, content))
        if len(self._waiting) == _TOGETHER:
            self._flush()

    def sorted(self) -> Iterator[tuple[int, bytes]]:
        """All of it, with its places. It may be gone through again."""
        self._flush()
        yield from self._disk.execute("select place, content from kept order by place, number")

    def place_of(self, name: str, kind: str = "") -> int:
        """The place that a name was given when it came first: 1, 2, 3."""
        self._disk.execute("insert or ignore into names (name, kind) values (?, ?)", (name, kind))
        ((place,),) = self._disk.execute("select place from names where name = ?", (name,))
        return int(place)

    def names(self) -> Iterator[tuple[str, str]]:
        """All names with the kinds that came with them, by place."""
        yield from self._disk.execute("select name, kind from names order by place")

    def kind_of(self, name: str) -> str | None:
        """What came with a name; None, if it has no place."""
        found = self._disk.execute("select kind from names where name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def _flush(self) -> None:
        self._disk.executemany("insert into kept values (?, ?, ?)", self._waiting)
        self._waiting.clear()


@contextmanager
def spool() -> Generator[Spool]:
    """A spool in a file that has no name, and goes with it."""
    import sqlite3  # noqa: PLC0415 - it is loaded when it is needed

    try:
        with closing(sqlite3.connect("", isolation_level=None)) as disk:  # no name: SQLite's own temporary file
            disk.execute("begin")
            yield Spool(disk)
    except sqlite3.Error as error:
        raise OSError(f"the directory for temporary files cannot be used: {error}") from error
