"""What the rooms about processes are told with: orders that are placed, paid and overdue, a process, and a clock to move."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, Final, TypeAlias

import pytest
import pytest_asyncio

from refold.aio import AsyncStore
from refold.aio_instances import AsyncInstances
from refold.messages import Recorded, command, event
from refold.process import Effect, Process
from refold.projection import Projection, Statement, sql
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Place, Stores, listed
from refold.testing.contract.projecting import ModelContract
from refold.testing.contract.sample import EVENTS


@event("order.placed")
class Placed:
    cents: int = 0


@event("order.paid")
class Paid:
    cents: int = 0


@event("order.overdue")
class Overdue:
    nth: int = 0


@event("order.declined")
class Declined:
    why: str = ""


@event("order.charged")
class Charged:
    key: str


@command("card.charge")
class Charge:
    cents: int


State: TypeAlias = tuple[object, ...]
"""All that an instance has taken in."""
React: TypeAlias = Callable[[Recorded[Any], State], Iterable[Effect]]

ORDERS: Final = (Placed, Paid, Overdue, Declined, Charged)
HOUR: Final = timedelta(hours=1)
JOURNAL: Final = "$process.payment-1"


def remembered(state: State, event: object) -> State:
    """The state with one more event."""
    return (*state, event)


def payment(react: React, name: str = "payment", **options: Any) -> Process[Any, State]:
    """A process that remembers what it took in, and reacts as a test wants it."""
    return Process(name, tuple[object, ...], react, remembered, events=ORDERS, **options)


def quiet(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
    """Nothing follows."""
    return ()


class ProcessContract(ModelContract):
    """A part of the contract about processes, for places that have SQL. Time stands still until the clock is moved."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The clock of `shop`."""
        return ManualClock()

    @pytest_asyncio.fixture
    async def shop(self, stores: Stores, place: Place, clock: ManualClock) -> AsyncStore:
        """An empty store that has SQL, and knows orders."""
        if not place.sql:
            pytest.skip(f"{place.url} has no SQL, which processes need")
        return await stores.open(events=(*EVENTS, *ORDERS), clock=clock)


async def noting(shop: AsyncStore, place: Place, *types: type[Any]) -> AsyncStore:
    """The store with a read model kept inline, `noted`, that lists the types of these events."""
    if not place.together:
        pytest.skip(f"{place.url} has its events and its read models in two places")
    projection = Projection("noted", schema="create table noted (position integer, type text)")

    def note(event: Recorded[Any]) -> Iterable[Statement]:
        yield sql("insert into noted values (:position, :type)", position=event.position, type=event.type)

    for cls in types:
        projection.on(cls)(note)
    return await shop.inline(projection)


async def state_of(instances: AsyncInstances, id: str = "1") -> object:
    """The state of an instance."""
    return (await instances.show(id)).state


async def types_in(store: AsyncStore, stream: str = JOURNAL) -> list[str]:
    """The types of the events of a stream, by default the journal of instance 1."""
    return [event.type for event in await listed(store.read(stream))]


async def led_to(instances: AsyncInstances, id: str = "1") -> Sequence[tuple[str, tuple[str, ...]]]:
    """What happened to an instance, and what it led to."""
    return [(each.what, each.led_to) for each in (await instances.show(id)).history]
