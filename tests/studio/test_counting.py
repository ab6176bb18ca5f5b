"""Counts of the whole store: made once, brought along by what came, never in the way of a page."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.studio.conftest import JSON, Open

from refold import AsyncStore, RawEvent
from refold.ports import Stats
from refold.studio.counting import BARS, Tally, activity
from refold.testing import ManualClock


async def stones(store: AsyncStore, *streams: str) -> None:
    for stream in streams:
        await store.append(stream, [RawEvent("stone", {}), RawEvent("pebble", {})])


def without_bytes(stats: Stats) -> Stats:
    return replace(stats, bytes=0)


async def test_counts_are_brought_along_and_the_same_as_counted_whole(store: AsyncStore, monkeypatch: Any) -> None:
    await stones(store, "stone-1", "stone-2")
    tally = Tally(store)
    first = await tally.counts()
    counted: list[int] = []
    whole = AsyncStore.stats

    async def stats(self: AsyncStore) -> Stats:
        counted.append(1)
        return await whole(self)

    monkeypatch.setattr(AsyncStore, "stats", stats)
    await stones(store, "stone-1", "tree-1")
    monkeypatch.setattr("refold.studio.counting._SHARE", 0)
    later = await tally.counts()
    assert first is not None
    assert later is not None
    assert (without_bytes(later.stats), counted) == (without_bytes(await whole(store)), [])
    assert [first.stats.events, later.stats.events, later.stats.categories] == [4, 8, {"stone": 6, "tree": 2}]


async def test_where_much_came_all_is_counted_anew(store: AsyncStore, monkeypatch: Any) -> None:
    monkeypatch.setattr("refold.studio.counting._SHARE", 0)
    monkeypatch.setattr("refold.studio.counting._AHEAD", 3)
    tally = Tally(store)
    await tally.counts()
    await stones(store, "stone-1", "stone-2")
    found = await tally.counts()
    assert found is not None
    assert found.stats == await store.stats()


async def test_a_page_does_not_wait_for_a_store_that_takes_its_time(store: AsyncStore, monkeypatch: Any) -> None:
    let_go = asyncio.Event()
    whole = AsyncStore.stats

    async def slow(self: AsyncStore) -> Stats:
        await let_go.wait()
        return await whole(self)

    monkeypatch.setattr(AsyncStore, "stats", slow)
    tally = Tally(store)
    before = await tally.counts()
    let_go.set()
    await tally.ready()
    assert (before, await tally.counts() is not None) == (None, True)


async def test_a_count_that_is_under_way_is_let_go(store: AsyncStore, monkeypatch: Any) -> None:
    async def never(self: AsyncStore) -> Stats:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(AsyncStore, "stats", never)
    tally = Tally(store)
    await tally.counts()
    await asyncio.wait_for(tally.close(), 5)


@pytest.mark.parametrize("url", ["memory://", "sqlite:///:memory:"])
async def test_the_bars_hold_every_event_once_in_its_time(url: str) -> None:
    clock = ManualClock(datetime(2025, 1, 1, tzinfo=UTC))
    async with await AsyncStore.open(url, events=[RawEvent], clock=clock) as store:
        for hours in (0, 1, 1, 30, 47):
            clock.set(datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=hours))
            await store.append("stone-1", [RawEvent("stone", {})])
        bars, width = await activity(store, await store.stats())
    found: Mapping[int, int] = {index: bar.events for index, bar in enumerate(bars) if bar.events}
    assert (len(bars), width, sum(found.values())) == (BARS, timedelta(hours=47) / BARS, 5)
    assert (found[0], found[1], found[30], found[47]) == (1, 2, 1, 1)


async def test_of_a_large_store_the_newest_are_counted_and_that_is_said(
    store: AsyncStore, opened: Open, monkeypatch: Any
) -> None:
    monkeypatch.setattr("refold.studio.counting.CAPPED", 9)
    monkeypatch.setattr("refold.studio.counting.NEWEST", 4)
    monkeypatch.setattr("refold.studio.counting._SHARE", 0)
    await stones(store, "tree-1", "stone-1", "stone-2", "stone-3", "stone-4")
    client = opened(app=None)
    first = (await client.get("/", headers=JSON)).json()
    await stones(store, "tree-1")
    later = (await client.get("/", headers=JSON)).json()
    html = (await client.get("/")).text
    assert (first["of_the_newest"], first["stats"]["events"], first["stats"]["categories"]) == (4, 10, {"stone": 4})
    assert (later["of_the_newest"], later["stats"]["events"], later["stats"]["categories"]) == (
        6,
        12,
        {"stone": 4, "tree": 2},
    )
    assert ("of the newest 6 events" in html, "On disk" in html) == (True, False)
