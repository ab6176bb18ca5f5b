"""Statistics: every event in its bar, in the shares of its categories; lengths of streams; never in the way of a page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.studio.conftest import HTML, JSON, Client

from refold import AsyncStore, RawEvent
from refold.studio.charting import Bar, Chart, Charts, chart, lengths
from refold.studio.statistics import HEIGHT, OTHERS, categories_of, parts_of
from refold.testing import ManualClock

NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(params=["memory://", "sqlite:///:memory:"])
async def week(request: pytest.FixtureRequest) -> AsyncIterator[AsyncStore]:
    """Stones and trees, at three times."""
    clock = ManualClock(NOON)
    async with await AsyncStore.open(request.param, events=[RawEvent], clock=clock) as store:
        for hours, stones, trees in ((0, 3, 1), (1.5, 0, 2), (5.2, 300, 100)):
            clock.set(NOON + timedelta(hours=hours))
            if stones:
                await store.append("stone-1", [RawEvent("stone", {}) for _ in range(stones)])
            await store.append(f"tree-{hours}", [RawEvent("tree", {}) for _ in range(trees)])
        yield store


async def test_bars_begin_at_whole_hours_and_hold_every_event_once(week: AsyncStore) -> None:
    found = await chart(week, HOUR, 6)
    assert [bar.since for bar in found.bars] == [NOON + HOUR * at for at in range(6)]
    assert [bar.events for bar in found.bars] == [4, 2, 0, 0, 0, 400]
    assert [dict(bar.shares) for bar in found.bars[:3]] == [{"stone": 750, "tree": 250}, {"tree": 1_000}, {}]
    assert (found.sampled, found.most, set(found.bars[5].shares) <= {"stone", "tree"}) == (True, 400, True)


async def test_what_came_before_the_first_bar_is_in_none(week: AsyncStore) -> None:
    found = await chart(week, HOUR, 4)
    assert [bar.events for bar in found.bars] == [0, 0, 0, 400]


async def test_streams_are_counted_by_their_lengths(week: AsyncStore, monkeypatch: Any) -> None:
    found = await lengths(week)
    assert [group for group in found.groups if group[2]] == [(1, 1, 1), (2, 3, 1), (64, 127, 1), (256, 511, 1)]
    assert ([each.stream for each in found.longest][:2], found.looked, found.more) == (
        ["stone-1", "tree-5.2"],
        4,
        False,
    )
    monkeypatch.setattr("refold.studio.charting.LOOKED", 2)
    fewer = await lengths(week)
    assert (fewer.looked, fewer.more) == (2, True)


async def test_a_page_does_not_wait_for_what_takes_its_time(store: AsyncStore, monkeypatch: Any) -> None:
    let_go = asyncio.Event()

    async def slow(*_: object) -> Chart:
        await let_go.wait()
        return Chart((), HOUR, sampled=False)

    monkeypatch.setattr("refold.studio.charting.chart", slow)
    charts = Charts(store)
    before = await charts.over("day")
    let_go.set()
    after = await charts.over("day")
    await charts.close()
    assert (before, after) == (None, Chart((), HOUR, sampled=False))


async def test_what_is_under_way_is_let_go(store: AsyncStore, monkeypatch: Any) -> None:
    async def never(*_: object) -> Chart:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr("refold.studio.charting.chart", never)
    charts = Charts(store)
    await charts.over("day")
    await asyncio.wait_for(charts.close(), 5)


def test_bars_are_put_together_from_their_categories_and_the_rest_is_one() -> None:
    shares = {f"c{number}": 100 for number in range(10)}
    found = Chart([Bar(NOON, 50, shares), Bar(NOON, 100, {"c0": 1_000})], HOUR, sampled=False)
    names = categories_of(found)
    parts = parts_of(found, names)
    assert (len(names), names[0], names[-1]) == (8, "c0", OTHERS)
    assert [round(sum(part.height for part in parts if part.x == x)) for x in (0, 20)] == [HEIGHT // 2, HEIGHT]
    assert min(part.y for part in parts) == 0
    assert {part.category for part in parts} == set(names)


async def test_spans_are_those_that_are_known(store: AsyncStore, client: Client) -> None:
    await store.append("stone-1", [RawEvent("stone", {})])
    answers = [await client.get(f"/statistics?span={span}", headers=JSON) for span in ("hour", "year", "ever")]
    assert [answer.status_code for answer in answers] == [200, 200, 400]
    assert [sum(bar["events"] for bar in each.json()["chart"]["bars"]) for each in answers[:2]] == [1, 1]
    assert "the highest has 1 event" in (await client.get("/statistics", headers=HTML)).text
