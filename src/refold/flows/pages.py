"""Pages: how much is read at once, and what of it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from refold.messages import OWN
from refold.ports import PAGE
from refold.rows import Row


class Reads(Struct, frozen=True):
    """How a store is read: `rows` at once and, of these, about so many bytes (`size`), and never fewer than one.

    `own`: what stands in Refold's own streams is shown to who asks for it. Without it nothing of that is, whatever is asked for.
    """

    own: bool = True
    rows: int = PAGE
    size: int | None = None

    def kept(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The first rows of a page, up to the one that makes it large enough."""
        if self.size is None:
            return rows
        size = 0
        for count, row in enumerate(rows, 1):
            size += size_of(row)
            if size >= self.size:
                return rows[:count]
        return rows

    def most_after(self, found: Sequence[Row], kept: Sequence[Row]) -> int:
        """How many rows the next page has at most: large events are not read to be thrown away again."""
        return self.rows if len(kept) == len(found) else min(self.rows, 2 * len(kept))

    def shown(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows that may be shown."""
        return rows if self.own else [row for row in rows if not is_own(row)]


def is_own(row: Row) -> bool:
    """Whether it stands in a stream of Refold's own."""
    return str(row.stream).startswith(OWN)


def size_of(row: Row) -> int:
    """Its bytes; a damaged row has what was never written, which is told when it is opened."""
    parts: tuple[Any, ...] = row.data, row.metadata
    return sum(len(part) for part in parts if isinstance(part, bytes | str))
