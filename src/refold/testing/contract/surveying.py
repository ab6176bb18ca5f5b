"""Contract: the store as a whole, its streams, its counts, its health."""

from __future__ import annotations

from datetime import timedelta

from refold.aio import AsyncStore
from refold.errors import Conflict
from refold.ports import StreamInfo
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Contract, Stores
from refold.testing.contract.sample import Deposit, Noted, accounts, fact


async def names(store: AsyncStore, prefix: str = "", after: str = "") -> list[str]:
    """The names of the streams, as they are listed."""
    return [info.stream async for info in store.streams(prefix, after=after)]


class Surveying(Contract):
    """`streams`, `stats`, `verify`."""

    async def test_a_stream_is_listed_with_its_version_last_position_and_times(self, stores: Stores) -> None:
        clock = ManualClock()
        store = await stores.open(clock=clock)
        early = clock.time
        await store.append("note-1", [Noted("a"), Noted("b")])
        await store.append("note-2", [Noted("c")])
        late = clock.move(timedelta(hours=1))
        last = (await store.append("note-1", [Noted("d")])).position

        (info, _) = [info async for info in store.streams()]
        assert info == StreamInfo("note-1", 3, last, early, late)

    async def test_streams_are_listed_by_name_and_by_the_beginning_of_it(self, store: AsyncStore) -> None:
        for name in ("b-1", "a-2", "a-10", "ab-1", "A-1", "a%-1", "a_-1", "ä-1"):
            await store.append(name, [Noted("x")])
        assert await names(store) == sorted(["b-1", "a-2", "a-10", "ab-1", "A-1", "a%-1", "a_-1", "ä-1"])
        assert await names(store, "a-") == ["a-10", "a-2"]
        assert await names(store, "a") == ["a%-1", "a-10", "a-2", "a_-1", "ab-1"]
        assert await names(store, "a%") == ["a%-1"]
        assert await names(store, "a_") == ["a_-1"]
        assert await names(store, "c") == []

    async def test_streams_are_listed_after_a_name_that_need_not_be_there(self, store: AsyncStore) -> None:
        for name in ("a-1", "a-2", "b-1"):
            await store.append(name, [Noted("x")])
        assert await names(store, after="a-1") == ["a-2", "b-1"]
        assert await names(store, "a", "a-10") == ["a-2"]
        assert await names(store, after="b-1") == []

    async def test_more_streams_than_a_page_are_all_listed(self, store: AsyncStore) -> None:
        expected = [f"note-{i:04}" for i in range(1_050)]
        for name in expected:
            await store.append(name, [fact("X")])
        assert await names(store) == expected
        assert await names(store, "note-1") == expected[1_000:]

    async def test_stats_count_what_is_there(self, stores: Stores) -> None:
        clock = ManualClock()
        store = await stores.open(clock=clock)
        early = clock.time
        await store.append("note-1", [Noted("a"), Noted("b"), fact("X")])
        late = clock.move(timedelta(hours=1))
        last = (await store.append("a b-1", [fact("X")])).position

        stats = await store.stats()
        assert (stats.events, stats.streams, stats.head) == (4, 2, last)
        assert stats.types == {"note.taken": 2, "X": 2}
        assert stats.categories == {"note": 3, "a b": 1}
        assert (stats.first_recorded_at, stats.last_recorded_at) == (early, late)
        assert stats.bytes > 0

    async def test_an_empty_store_has_counts_of_nothing(self, store: AsyncStore) -> None:
        stats = await store.stats()
        assert (stats.events, stats.streams, stats.types, stats.categories, stats.head) == (0, 0, {}, {}, 0)
        assert (stats.first_recorded_at, stats.last_recorded_at) == (None, None)
        assert await names(store) == []

    async def test_a_healthy_store_is_found_healthy_to_its_end(self, store: AsyncStore) -> None:
        account = store.bind(accounts)
        for i in range(5):
            await account.handle(str(i), Deposit(i), idempotency_key=f"k{i}")
        await store.append("note-1", [fact("X", "t", "u"), Noted("ä")])
        try:
            await store.append("note-1", [fact("X", "t")], expected=7)
        except Conflict:
            checked = [(int(position), list(damages)) async for position, damages in store.verify()]
            assert checked == [(int(await store.head()), [])]
