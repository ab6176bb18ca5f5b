"""Contract: what processes keep for themselves is out of the way of who reads everything. Where there is SQL."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from refold.aio import AsyncStore
from refold.errors import InvalidName
from refold.flows.processes.journal import ENTRIES
from refold.messages import RawEvent, Recorded
from refold.process import Effect, after
from refold.projection import Projection
from refold.query import Query
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Stores, listed
from refold.testing.contract.ordering import (
    HOUR,
    JOURNAL,
    ORDERS,
    Overdue,
    Placed,
    ProcessContract,
    State,
    payment,
)


class HidingJournals(ProcessContract):
    """Reads of everything pass over journals, unless they are asked for."""

    async def test_journals_are_read_only_where_they_are_asked_for(self, shop: AsyncStore, clock: ManualClock) -> None:
        await self._some_history(shop, clock)
        everything = [event.position for event in await listed(shop.read(journals=True))]
        assert everything == list(range(1, await shop.head() + 1))
        seen = [event.position for event in await listed(shop.read()) if str(event.stream).startswith("$")]
        assert seen == []
        assert [str(event.stream) for event in await listed(shop.read())] == ["order-1", "order-2"]
        assert [event.position for event in await listed(shop.read(query=Query.all()))] == [1, await shop.head()]
        assert len(await listed(shop.read(JOURNAL))) == len(everything) - 2
        assert len(await listed(shop.read(category="$process.payment"))) == len(everything) - 2
        story = (await listed(shop.read(limit=1)))[0].metadata.correlation_id
        assert len(await listed(shop.read(correlation_id=story))) == len(everything) - 1
        overdue = await listed(shop.read(query=Query.of(types=["order.overdue"])))
        assert [str(event.stream) for event in overdue] == [JOURNAL] * 3

    async def test_limits_count_what_is_seen(self, shop: AsyncStore, clock: ManualClock) -> None:
        await self._some_history(shop, clock)
        first, last = 1, await shop.head()
        for limit, wanted in ((0, []), (1, [first]), (2, [first, last]), (3, [first, last])):
            assert [event.position for event in await listed(shop.read(limit=limit))] == wanted
            backward = await listed(shop.read(limit=limit, direction="backward"))
            assert [event.position for event in backward] == ([last, first][:limit])
        assert [event.position for event in await listed(shop.read(after=1, limit=1))] == [last]
        assert len(await listed(shop.read(limit=4, journals=True))) == 4

    async def test_subscriptions_pass_over_them_too(self, shop: AsyncStore, clock: ManualClock) -> None:
        await self._some_history(shop, clock)
        head = await shop.head()
        async with shop.subscribe(idle=0) as events:
            assert [event.position for event in await listed(events)] == [1, head]
            assert events.position == head
        async with shop.subscribe(idle=0, journals=True) as events:
            assert len(await listed(events)) == head
        async with shop.subscribe(category="$process.payment", idle=0) as events:
            assert len(await listed(events)) == head - 2

    async def test_a_projection_of_every_type_does_not_see_them_and_one_of_theirs_does(
        self, shop: AsyncStore, clock: ManualClock
    ) -> None:
        seen: list[tuple[str, int]] = []

        def watching(name: str, cls: type[Any]) -> Projection:
            projection = Projection(name)

            @projection.on(cls)
            def _(event: Recorded[Any]) -> Iterable[Any]:
                seen.append((name, int(event.position)))
                return ()

            return projection

        await self._some_history(shop, clock)
        raw, overdue = watching("raw", RawEvent), watching("overdue", Overdue)
        for projection in (raw, overdue):
            await shop.catch_up(projection)
            assert (await shop.model(projection).audit()).is_sound
        assert [position for name, position in seen if name == "raw"] == [1, await shop.head()]
        assert len([name for name, _ in seen if name == "overdue"]) == 3

    async def test_only_a_process_writes_into_them(self, shop: AsyncStore) -> None:
        with pytest.raises(InvalidName, match=r"categories that begin with '\$' are kept for Refold's own streams"):
            await shop.append(JOURNAL, [Placed()])

    async def test_a_store_that_reads_no_raw_events_reads_journals_all_the_same(
        self, stores: Stores, shop: AsyncStore, clock: ManualClock
    ) -> None:
        await self._some_history(shop, clock)
        store = await stores.reopen(events=ORDERS, clock=clock)
        journal = await listed(store.read(JOURNAL))
        assert {type(event.data) for event in journal} <= {*ENTRIES, Overdue}
        assert len(journal) == await store.head() - 2

    async def _some_history(self, shop: AsyncStore, clock: ManualClock) -> None:
        """Two orders, with all that a process did about the first between them."""

        def reminds(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
            if len(state) < 3:
                yield after(HOUR, Overdue(len(state)))

        instances = shop.process(payment(reminds))
        await shop.append("order-1", [Placed()])
        for _ in range(4):
            await instances.catch_up()
            clock.move(HOUR)
        await shop.append("order-2", [Placed()])
