"""A blocking backend seen from outside its transactions: reads go to readers, changes to the writer, one call a hop."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from refold._bridge.stepping import Flow
from refold.ports import (
    Append,
    AppendResult,
    Backend,
    Capabilities,
    Damage,
    Outcome,
    Own,
    Rows,
    Selection,
    Stats,
    StreamInfo,
)
from refold.projection import Statement
from refold.rows import Payload, Row

T = TypeVar("T")


class Hop(Protocol):
    """Runs one flow elsewhere."""

    def __call__(self, flow: Flow[T], /) -> Coroutine[Any, Any, T]:
        """Its result, or its error raised."""
        ...


class Outside:
    """A `Backend`, each call of which is a flow for a reader or for the writer."""

    def __init__(self, capabilities: Capabilities, reading: Hop, writing: Hop) -> None:
        self.capabilities = capabilities
        self._reading, self._writing = reading, writing

    async def append(self, append: Append) -> AppendResult:
        return await self._writing(lambda b: b.append(append))

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        return await self._writing(lambda b: b.work(steps))

    async def within(self, flow: Flow[T]) -> T:
        return await self._writing(flow)

    async def read(self, selection: Selection) -> Sequence[Row]:
        return await self._reading(lambda b: b.read(selection))

    async def payloads(self, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        return await self._reading(lambda b: b.payloads(stream, after, until))

    async def find(self, ids: Sequence[bytes]) -> Sequence[Row]:
        return await self._reading(lambda b: b.find(ids))

    async def head(self) -> int:
        return await self._reading(lambda b: b.head())

    async def version(self, stream: str) -> int:
        return await self._reading(lambda b: b.version(stream))

    async def request(self, key: str) -> Outcome | None:
        return await self._reading(lambda b: b.request(key))

    async def streams(self, after: str, prefix: str, limit: int) -> Sequence[StreamInfo]:
        return await self._reading(lambda b: b.streams(after, prefix, limit))

    async def query(self, statement: Own | Statement) -> Rows:
        return await self._reading(lambda b: b.query(statement))

    async def stats(self) -> Stats:
        return await self._reading(lambda b: b.stats())

    async def verify(self, after: int, limit: int) -> Sequence[Damage]:
        return await self._reading(lambda b: b.verify(after, limit))

    async def tenant(self, name: str) -> Backend:
        return await self._writing(lambda b: b.tenant(name))

    async def close(self) -> None:
        """Belongs to the engine."""
