"""Contract: a read model that is kept inline is never behind, and an append that it cannot follow is not made."""

from __future__ import annotations

import asyncio

import pytest

from refold.aio import AsyncStore
from refold.errors import ProjectionStopped, Unsupported, UsageError
from refold.flows.together import StreamWrite
from refold.query import NO_STREAM
from refold.testing.contract.base import Place, Stores, listed, outcomes
from refold.testing.contract.projecting import ModelContract, amounts, seen
from refold.testing.contract.sample import Deposit, Deposited, Withdrawn, accounts


class Inlining(ModelContract):
    """`inline`."""

    @pytest.fixture(autouse=True)
    def appends_and_read_models_share_a_transaction(self, request: pytest.FixtureRequest, place: Place) -> None:
        """Only there can they be kept inline."""
        if request.function.__name__ in vars(Inlining) and not place.together and "elsewhere" not in request.node.name:
            pytest.skip(f"{place.url} has its events and its read models in two places")

    async def test_where_the_events_stand_elsewhere_it_is_refused(self, place: Place, sql_store: AsyncStore) -> None:
        if place.together:
            pytest.skip(f"{place.url} has them in one place")
        with pytest.raises(Unsupported, match="the events stand elsewhere than their read models"):
            await sql_store.inline(seen())

    async def test_every_way_to_append_brings_it_along(self, sql_store: AsyncStore) -> None:
        store = await sql_store.inline(seen())
        await store.append("account-1", [Deposited(1), Withdrawn(1)])
        assert await amounts(store) == [1]
        await store.bind(accounts).handle("2", Deposit(2))
        assert await amounts(store) == [1, 2]
        await store.append_all([StreamWrite("account-3", [Deposited(3)]), StreamWrite("account-4", [Deposited(4)])])
        assert await amounts(store) == [1, 2, 3, 4]

    async def test_what_stood_there_before_and_what_others_append_is_made_up_for(self, sql_store: AsyncStore) -> None:
        await sql_store.append("account-1", [Deposited(1)])
        store = await sql_store.inline(seen())
        assert await amounts(store) == [1]
        await sql_store.append("account-1", [Deposited(2)])
        assert await amounts(store) == [1]
        await store.append("account-1", [Deposited(3)])
        assert await amounts(store) == [1, 2, 3]

    @pytest.mark.guarantee("G1")
    async def test_where_a_statement_fails_nothing_is_appended(self, sql_store: AsyncStore) -> None:
        store = await sql_store.inline(seen(poison=2))
        await store.append("account-1", [Deposited(1)])
        before = await listed(store.read())
        with pytest.raises(UsageError, match="cannot run this"):
            await store.append("account-1", [Deposited(2)])
        assert await listed(store.read()) == before
        await store.append("account-1", [Deposited(3)])
        assert await amounts(store) == [1, 3]

    @pytest.mark.guarantee("G15")
    async def test_what_one_read_model_refuses_is_taken_back_from_the_others_which_miss_nothing_later(
        self, sql_store: AsyncStore
    ) -> None:
        store = await sql_store.inline(seen(), seen("picky", poison=2))
        await store.append("account-1", [Deposited(1)])
        with pytest.raises(UsageError, match="cannot run this"):
            await store.append("account-1", [Deposited(2)])
        await store.append("account-1", [Deposited(3)])
        assert (await amounts(store), await amounts(store, "picky")) == ([1, 3], [1, 3])
        assert (await sql_store.model(seen()).audit()).is_sound

    @pytest.mark.guarantee("G15")
    async def test_of_many_appends_at_once_each_that_was_acknowledged_is_in_every_read_model(
        self, sql_store: AsyncStore
    ) -> None:
        store = await sql_store.inline(seen(), seen("picky", poison=7))
        results = await outcomes(*(store.append(f"account-{i % 3}", [Deposited(i % 10)]) for i in range(40)))
        assert [i for i, told in enumerate(results) if isinstance(told, UsageError)] == [7, 17, 27, 37]
        kept = sorted(i % 10 for i in range(40) if i % 10 != 7)
        assert [sorted(await amounts(store, name), key=str) for name in ("seen", "picky")] == [kept, kept]

    async def test_an_append_that_is_refused_or_repeated_changes_nothing(self, sql_store: AsyncStore) -> None:
        store = await sql_store.inline(seen())
        await store.append("account-1", [Deposited(1)])
        assert len(await outcomes(store.append("account-1", [Deposited(2)], expected=NO_STREAM))) == 1
        handle = store.bind(accounts).handle
        for _ in range(2):
            await handle("1", Deposit(3), idempotency_key="once")
        assert await amounts(store) == [1, 3]

    @pytest.mark.guarantee("G15")
    async def test_many_writers_at_once_count_each_event_once(self, sql_store: AsyncStore, stores: Stores) -> None:
        crowd = [await store.inline(seen()) for store in await stores.crowd(4)]
        await outcomes(
            *(crowd[i % 4].append(f"account-{i % 5}", [Deposited(i)]) for i in range(40)),
        )
        assert sorted(await amounts(sql_store), key=str) == sorted(range(40), key=str)

    async def test_it_makes_no_append_wait_for_a_thousand_events_of_others(self, sql_store: AsyncStore) -> None:
        store = await sql_store.inline(seen())
        for first in range(0, 1_200, 600):
            await sql_store.append("account-1", [Deposited(first + i) for i in range(600)])
        with pytest.raises(ProjectionStopped, match="1,000 events behind"):
            await store.append("account-1", [Deposited(5_000)])
        assert await sql_store.head() == 1_200
        await sql_store.catch_up(seen())
        await store.append("account-1", [Deposited(1_200)])
        assert await amounts(sql_store) == list(range(1_201))

    async def test_what_an_append_writes_itself_does_not_count_as_behind(self, sql_store: AsyncStore) -> None:
        store = await sql_store.inline(seen())
        await sql_store.append("account-1", [Deposited(i) for i in range(600)])
        await store.append("account-1", [Deposited(600 + i) for i in range(600)])
        assert await amounts(store) == list(range(1_200))

    async def test_a_runner_may_work_beside_it(self, sql_store: AsyncStore, place: Place) -> None:
        store = await sql_store.inline(seen())
        async with sql_store.run(seen()):
            for i in range(30):
                await (store if i % 2 else sql_store).append("account-1", [Deposited(i)])
            await sql_store.wait_for("seen", 30, timeout=30)
        assert await amounts(sql_store) == list(range(30))

    @pytest.mark.guarantee("G20")
    async def test_it_is_rebuilt_while_appends_go_on_and_is_never_behind(self, sql_store: AsyncStore) -> None:
        store = await sql_store.inline(seen())
        await store.append("account-1", [Deposited(0)])
        rebuilding, last = asyncio.create_task(sql_store.model(seen()).rebuild()), 0
        while not rebuilding.done():
            last += 1
            await store.append("account-1", [Deposited(last)])
            assert (await amounts(store))[-1] == last
        await rebuilding
        assert await amounts(store) == list(range(last + 1))
