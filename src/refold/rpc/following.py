"""Subscribe: events that are there and events that come, each once, without a gap, as long as the client may read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, TypeAlias

from refold.http.problems import Declined
from refold.http.sending import Ahead
from refold.query import Query
from refold.rpc.asking import Asked
from refold.rpc.events import is_visible, told
from refold.rpc.protocol import umadb_pb2 as pb
from refold.rpc.queries import MOST, query_of
from refold.rpc.reading import Batch, batch_size
from refold.subscription import AsyncSubscription

_ENDLESS: Final = 2**64 - 1

Line: TypeAlias = Ahead[pb.SequencedEvent | Exception | None]


async def subscribe(asked: Asked, request: pb.SubscribeRequest) -> AsyncGenerator[pb.SubscribeResponse]:
    """What stands after a position, then what comes, until one of the two ends it."""
    asked.reads_everything()
    query = query_of(request.query)
    if request.after == _ENDLESS:
        return
    followed = asked.store.subscribe(query=query or Query.all(), after=min(request.after, MOST))
    slot = asked.open_slot()
    asked.following.add(followed)
    ready = _Ready(asked)
    pump = asyncio.ensure_future(_pump(followed, ready.line, finds=query is not None))
    try:
        async with aclosing(_batches(ready, batch_size(request))) as batches:
            async for batch in batches:
                yield pb.SubscribeResponse(events=batch)
    finally:
        asked.following.discard(followed)
        pump.cancel()
        await followed.close()
        slot()


async def _batches(ready: _Ready, size: int) -> AsyncGenerator[list[pb.SequencedEvent]]:
    """As many as are there and fit together, at least one.

    Raises:
        Declined: 401, the client may not read any more.
        What went wrong while they were read.
    """
    batch = Batch(size)
    while True:
        found = await ready.first()
        while isinstance(found, pb.SequencedEvent):
            if batch.add(found) or ready.line.is_empty:
                break
            found = ready.line.get_nowait()
        if batch.events:
            yield batch.taken()
        if isinstance(found, Exception):
            raise found
        if found is None:
            return


class _Ready:
    """Events that are ready to be sent, and whether the client may still be sent them."""

    def __init__(self, asked: Asked) -> None:
        self.line: Line = Ahead()
        self._asked, self._looked = asked, time.monotonic()

    async def first(self) -> pb.SequencedEvent | Exception | None:
        """What is next, as soon as there is something."""
        while True:
            if time.monotonic() - self._looked >= self._asked.look_after:
                await self._look()
            try:
                async with asyncio.timeout(self._asked.look_after):
                    return await self.line.get()
            except TimeoutError:
                continue

    async def _look(self) -> None:
        if not await self._asked.lets_in():
            raise Declined(401, "unauthorized", "the token is good no more.")
        self._looked = time.monotonic()


async def _pump(followed: AsyncSubscription, line: Line, *, finds: bool) -> None:
    """Makes events ready: none for a query that finds nothing, whose client waits all the same."""
    try:
        async for event in followed:
            if finds and is_visible(event):
                ready = told(event)
                await line.put(ready, ready.ByteSize())
    except Exception as error:  # noqa: BLE001 - told to the client
        await line.put(error)
    await line.put(None)
