"""What a disk may do to the calls of SQLite: the n-th fails, or there is no space left for what is written."""

from __future__ import annotations

from collections.abc import Mapping
from errno import EIO, ENOSPC
from typing import Final, Literal, TypeAlias

import apsw
from tests.faults.filecalls import WHOLE, Call, Kind, Made

Way: TypeAlias = Literal["whole", "short", "torn"]

# What SQLite makes of an errno: that a disk is full is told apart for a write alone.
_MEANS: Final[Mapping[Kind, int]] = {
    "open": apsw.SQLITE_CANTOPEN,
    "write": apsw.SQLITE_IOERR_WRITE,
    "truncate": apsw.SQLITE_IOERR_TRUNCATE,
    "sync": apsw.SQLITE_IOERR_FSYNC,
    "delete": apsw.SQLITE_IOERR_DELETE,
}


def told(kind: Kind, errno: int) -> int:
    """What SQLite is told by its VFS of Unix if the system says so."""
    return apsw.SQLITE_FULL if (kind, errno) == ("write", ENOSPC) else _MEANS[kind]


class NthFails:
    """One call fails: the n-th of its kind from now on; 0, none does. `made` counts all of that kind.

    `way`: "whole", nothing of it is done; "short", the first half of a write is; "torn", that, and from then on every
    call fails, as for a process that has died.
    """

    def __init__(self, kind: Kind, n: int, errno: int = EIO, way: Way = "whole") -> None:
        self.kind, self.errno, self.way = kind, errno, way
        self.is_dead = False
        self.from_now(n)

    def from_now(self, n: int) -> None:
        """Begin to count anew."""
        self.n, self.made, self.has_failed = n, 0, False

    def asked(self, call: Call) -> Made:
        """Count, and fail."""
        if self.is_dead:
            return Made(0, told(call.kind, EIO))
        self.made += call.kind == self.kind
        if call.kind != self.kind or self.made != self.n:
            return WHOLE
        self.has_failed, self.is_dead = True, self.way == "torn"
        return Made(0 if self.way == "whole" else len(call.data) // 2, told(call.kind, self.errno))


class Budget:
    """A disk with so many bytes for all files together. Of a write that does not fit, the beginning is written."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._sizes: dict[str, int] = {}

    def asked(self, call: Call) -> Made:
        """Let through what fits."""
        if call.kind == "truncate":
            self._sizes[call.path] = min(call.size, self._sizes.get(call.path, 0))
        if call.kind == "delete":
            self._sizes.pop(call.path, None)
        return self._write(call) if call.kind == "write" else WHOLE

    def _write(self, call: Call) -> Made:
        held, end = self._sizes.get(call.path, 0), call.offset + len(call.data)
        fits = max(held, self.size - sum(self._sizes.values()) + held)  # up to here the file may be written
        written = max(0, min(end, fits) - call.offset)
        self._sizes[call.path] = max(held, call.offset + written)
        return WHOLE if end <= fits else Made(written, told("write", ENOSPC))
