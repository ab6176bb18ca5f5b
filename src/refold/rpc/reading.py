"""Read: what a query finds, up to what the head was, in batches that a client can take."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from refold.errors import UsageError
from refold.query import Query
from refold.rpc.asking import Asked
from refold.rpc.events import told
from refold.rpc.protocol import umadb_pb2 as pb
from refold.rpc.queries import MOST, query_of
from refold.rpc.visible import head, visible

BATCH: Final = 1_024
_BATCH_LIMIT: Final = 4_096
BATCH_BYTES: Final = 2 << 20
"""A batch is sent as soon as it has so many bytes: clients take 4 MiB, and one event has less than half of that."""


def batch_size(request: pb.ReadRequest | pb.SubscribeRequest) -> int:
    """How many events a batch holds at most."""
    return min(max(request.batch_size, 1), _BATCH_LIMIT) if request.HasField("batch_size") else BATCH


class Batch:
    """Events that are sent together."""

    def __init__(self, size: int) -> None:
        self._size, self._bytes = size, 0
        self.events: list[pb.SequencedEvent] = []

    def add(self, event: pb.SequencedEvent) -> bool:
        """One more; whether that is enough."""
        self.events.append(event)
        self._bytes += event.ByteSize()
        return len(self.events) >= self._size or self._bytes >= BATCH_BYTES

    def taken(self) -> list[pb.SequencedEvent]:
        """The events, so that the next batch can begin."""
        events, self.events, self._bytes = self.events, [], 0
        return events


async def read(asked: Asked, request: pb.ReadRequest) -> AsyncGenerator[pb.ReadResponse]:
    """Batches of events; without any event, one that tells the head, as the protocol has it."""
    asked.reads_everything()
    if request.subscribe:
        raise UsageError("reads end: call Subscribe to be told what comes.")
    query, limit = query_of(request.query), request.limit if request.HasField("limit") else None
    if limit == 0:
        return
    last = await head(asked.store)
    batch, sent = Batch(batch_size(request)), False
    if last is not None and query is not None:
        async with aclosing(_events(asked, request, query, last, limit)) as events:
            async for event in events:
                if batch.add(event):
                    sent = True
                    yield _response(batch.taken(), last, limit)
    if batch.events or not sent:
        yield _response(batch.taken(), last, limit)


async def _events(
    asked: Asked, request: pb.ReadRequest, query: Query, last: int, limit: int | None
) -> AsyncGenerator[pb.SequencedEvent]:
    start = min(request.start, MOST) if request.HasField("start") else None
    if request.backwards:
        after = min(last if start is None else start, last) + 1
        found = visible(asked.store, query, after=after, direction="backward", limit=limit)
    else:
        found = visible(asked.store, query, after=max(start or 0, 1) - 1, limit=limit)
    async with aclosing(found) as events:
        async for event in events:
            if event.position > last:
                return
            yield told(event)


def _response(events: list[pb.SequencedEvent], last: int | None, limit: int | None) -> pb.ReadResponse:
    """A batch. Its head is that of the store, or, of a read with a limit, the last event that is in it."""
    if limit is not None:
        last = events[-1].position if events else None
    return pb.ReadResponse(events=events, head=last)
