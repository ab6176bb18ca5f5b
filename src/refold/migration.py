"""A store's format, and what it takes to bring it to that of this Refold."""

from __future__ import annotations

from msgspec import Struct


class Migration(Struct, frozen=True):
    """Where a store stands: the format found (0: there is no store yet), the newest, and the SQL that lies between."""

    where: str
    found: int
    newest: int
    sql: tuple[str, ...]

    @property
    def is_needed(self) -> bool:
        """Whether there is something to do."""
        return self.found < self.newest
