"""Reads that any of several standbys may answer, each as far behind as it is: what one has told, no other takes back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from refold.backends.postgres.location import PostgresLocation
from refold.backends.postgres.pools import Failed
from refold.backends.postgres.session import PAUSE, Bound, Session, Steady
from refold.errors import StoreUnreachable

_ONE_MOMENT: Final = "set transaction isolation level repeatable read"


def reads(session: Session, location: PostgresLocation) -> Steady:
    """The reads of a store: with several servers to read from, none is read that is behind what another one told."""
    if location.several and location.read_only and session.own:
        return Level(session, location)
    return Steady(session, location.busy_timeout)


class Level(Steady):
    """Reads that are sent again while the server at hand is behind, until it has been for too long."""

    def __init__(self, session: Session, location: PostgresLocation) -> None:
        super().__init__(session, location.busy_timeout)
        self._head: Bound = f'select coalesce(max(position), 0) from "{location.schema}".events', ()  # noqa: S608 - a checked name
        self._told = 0

    async def fetch(
        self, text: str, values: Sequence[Any] | dict[str, Any] = (), *, plain: bool = False
    ) -> list[tuple[Any, ...]]:
        """The rows of one statement, on a server that has all that was told before.

        Raises:
            StoreUnreachable: there is none.
        """
        deadline = time.monotonic() + self._seconds
        while True:
            _, ((head,),), rows = await self._at_once([(_ONE_MOMENT, ()), self._head, (text, values)], plain=plain)
            if head >= self._told:
                self._told = max(self._told, head)  # another thread may have been told more meanwhile
                return rows
            if time.monotonic() > deadline:
                raise StoreUnreachable(
                    f"the server that answers has events up to {head}, another one had {self._told}: it follows too slowly, or "
                    "a failover has lost what was not yet replicated. Look at its replication, or open the store anew."
                )
            await self._session.pause(PAUSE)

    async def _at_once(self, statements: Sequence[Bound], *, plain: bool) -> Sequence[list[tuple[Any, ...]]]:
        return await self._again(lambda: self._sent(statements, plain=plain))

    async def _sent(self, statements: Sequence[Bound], *, plain: bool) -> Sequence[list[tuple[Any, ...]]]:
        try:
            return await self._session.transaction(statements, plain=plain)
        except Failed as failed:
            raise failed.error from failed
