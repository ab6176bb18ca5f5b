"""What every room of the contract stands on: a place for fresh stores, opened by either face."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

import pytest
import pytest_asyncio

from refold.aio import AsyncStore
from refold.clock import Clock
from refold.limits import Limits
from refold.store import Store
from refold.testing.contract.awaited import Awaited
from refold.testing.contract.sample import EVENTS

Face: TypeAlias = Literal["Store", "AsyncStore"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one test finds an empty store of a backend.

    `durable`: opened again, also by another process, the URL holds what it held. `sql`: it has read models.
    `together`: events are appended in the transaction of the read models.
    """

    url: str
    durable: bool
    sql: bool
    together: bool = True


class Stores:
    """Opens stores at one place by one face, and closes them all. A blocking store is made awaitable."""

    def __init__(self, place: Place, face: Face) -> None:
        self.place, self.face = place, face
        self._opened: list[AsyncStore] = []
        self._threads = ThreadPoolExecutor(32, "contract")

    async def open(
        self,
        *,
        events: Sequence[type[Any]] = EVENTS,
        clock: Clock | None = None,
        limits: Limits | None = None,
        verify_snapshots: bool = False,
    ) -> AsyncStore:
        """A store at the place: the same one again, if the place is durable."""
        store = await self._open(
            {"events": events, "clock": clock, "limits": limits, "verify_snapshots": verify_snapshots}
        )
        self._opened.append(store)
        return store

    async def _open(self, options: Mapping[str, Any]) -> AsyncStore:
        if self.face == "AsyncStore":
            return await AsyncStore.open(self.place.url, **options)
        store = Store.open(self.place.url, **options)
        return cast("AsyncStore", Awaited(store, self._threads))

    async def reopen(self, *, events: Sequence[type[Any]] = EVENTS, clock: Clock | None = None) -> AsyncStore:
        """The store as it is after every opened one was closed; skips the test where nothing would be left."""
        if not self.place.durable:
            pytest.skip(f"{self.place.url} holds nothing once it is closed, so there is nothing to find again")
        await self.close()
        return await self.open(events=events, clock=clock)

    async def crowd(self, size: int) -> Sequence[AsyncStore]:
        """One store for each of so many writers: four connections taking turns, where a place has room for more than one."""
        alone = self._opened[:1] if not self.place.durable else []
        stores = alone or [await self.open() for _ in range(4 if self.place.durable else 1)]
        return [stores[i % len(stores)] for i in range(size)]

    async def close(self) -> None:
        """Close all that were opened."""
        while self._opened:
            await self._opened.pop().close()


class Contract:
    """A part of the contract. A subclass named `Test...` gives the fixture `place`."""

    pytestmark = pytest.mark.asyncio

    @pytest.fixture
    def place(self) -> Place:
        """Where the stores of one test are: another one for each test."""
        raise NotImplementedError(
            f"{type(self).__name__} must say where its stores are: a fixture `place` -> Place(...)."
        )

    @pytest.fixture(params=["Store", "AsyncStore"])
    def face(self, request: pytest.FixtureRequest) -> Face:
        """The face under test."""
        return cast("Face", request.param)

    @pytest_asyncio.fixture
    async def stores(self, place: Place, face: Face) -> AsyncIterator[Stores]:
        """Opens stores at the place."""
        stores = Stores(place, face)
        yield stores
        await stores.close()

    @pytest_asyncio.fixture
    async def store(self, stores: Stores) -> AsyncStore:
        """An empty store that knows the sample events and reads every other as a `RawEvent`."""
        return await stores.open()


async def listed(events: AsyncIterator[Any]) -> list[Any]:
    """All of them."""
    return [event async for event in events]


async def outcomes(*calls: Any) -> list[Any]:
    """What came of calls that were started together: results and errors, in the order of the calls."""
    return await asyncio.gather(*calls, return_exceptions=True)
