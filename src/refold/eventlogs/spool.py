"""Bytes put aside on disk, and taken again in an order: so that a log of any length is sorted in little memory."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")

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


class Packing(Generic[T]):
    """Values of a class as bytes, and back: integers of any size, which MessagePack does not have, and NaN among them."""

    def __init__(self, cls: type[T]) -> None:
        self._class, self._encode, self._decode = (
            cls,
            msgspec.msgpack.Encoder().encode,
            msgspec.msgpack.Decoder(cls).decode,
        )

    def pack(self, value: T) -> bytes:
        """As MessagePack; as JSON, where that cannot be."""
        try:
            return self._encode(value)
        except OverflowError:
            return json.dumps(msgspec.to_builtins(value)).encode()

    def unpack(self, packed: bytes) -> T:
        """What was packed."""
        return msgspec.convert(json.loads(packed), self._class) if packed[:1] in _JSON else self._decode(packed)


_JSON: Final = (b"{", b"[")
"""What JSON of an object or array begins with, and MessagePack of a map or array never."""


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
