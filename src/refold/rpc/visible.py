"""Visible events: those that the protocol tells, in pages, with limits that count what is told."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from refold.aio import AsyncStore
from refold.flows.read import Direction
from refold.messages import Recorded
from refold.query import Query
from refold.rpc.events import is_visible


async def visible(
    store: AsyncStore, query: Query, *, after: int | None = None, direction: Direction = "forward", limit: int | None = None
) -> AsyncGenerator[Recorded[Any]]:  # fmt: skip
    """The events that a query finds, as far as they are visible. `after` is exclusive: backward, events before it are read."""
    left = limit
    while left is None or left > 0:
        asked, read = left, 0
        async for event in store.read(query=query, after=after, direction=direction, limit=asked):
            read, after = read + 1, event.position
            if is_visible(event):
                left = None if left is None else left - 1
                yield event
        if asked is None or read < asked:
            return


async def head(store: AsyncStore) -> int | None:
    """The position of the last visible event: with that of a hidden one, who waits for it would wait for ever."""
    async for event in visible(store, Query.all(), direction="backward", limit=1):
        return event.position
    return None
