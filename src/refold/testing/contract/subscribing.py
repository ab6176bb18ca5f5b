"""Contract: a subscription gives what a read gives, and then what comes: each event once, in order, none left out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from refold.aio import AsyncStore
from refold.errors import InvalidName, UnknownEventType, UsageError
from refold.messages import Position, Recorded
from refold.ports import PAGE
from refold.query import Query
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Contract, Stores, listed
from refold.testing.contract.reading import history, sources
from refold.testing.contract.sample import Deposited, Noted, accounts, fact

LONG = 30.0
"""Seconds that no test waits for: a subscription that is not woken or does not end fails by taking them."""

WRITERS, SUBSCRIBERS, APPENDS = 4, 4, 40
LAST = "last"


async def taken(events: AsyncIterator[Recorded[Any]], count: int) -> list[Recorded[Any]]:
    """The next so many events."""
    return [await asyncio.wait_for(anext(events), LONG) for _ in range(count)]


async def until_last(events: AsyncIterator[Recorded[Any]]) -> list[Recorded[Any]]:
    """Those before the one that is the last."""
    found: list[Recorded[Any]] = []
    async for event in events:
        if event.type == LAST:
            return found
        found.append(event)
    raise AssertionError("it ended before the last event")


class Subscribing(Contract):
    """`subscribe`."""

    @pytest.mark.guarantee("G6")
    async def test_it_catches_up_over_more_than_a_page_and_then_follows(self, store: AsyncStore) -> None:
        size = 2 * PAGE + 1
        for first in range(0, size, PAGE):
            await store.append("a-1", [fact("X", n=n) for n in range(first, min(first + PAGE, size))])
        async with store.subscribe() as events:
            found = [event.data.data["n"] for event in await taken(events, size)]
            assert [n for n in range(size) if found[n] != n][:3] == []
            for n in range(size, size + 3):
                await store.append("a-2", [fact("X", n=n)])
                assert [event.data.data["n"] for event in await taken(events, 1)] == [n]

    @pytest.mark.guarantee("G6")
    async def test_every_source_is_followed_as_it_is_read(self, stores: Stores) -> None:
        store, stored = await history(stores)
        times = [None, stored[20].recorded_at, stored[55].recorded_at + timedelta(microseconds=1)]
        for n, (source, _) in enumerate(sources(stored)):
            for after in (None, 3, stored[-1].position + 5):
                options: dict[str, Any] = {**source, "after": after, "since": times[n % 3]}
                expected = await listed(store.read(**options))
                assert await listed(store.subscribe(**options, idle=0)) == expected, options

    async def test_what_is_appended_later_comes_to_those_who_asked_for_it(self, store: AsyncStore) -> None:
        asked: list[dict[str, Any]] = [
            {}, {"stream": "a-1"}, {"category": "a"}, {"query": Query.of(types=["X"], tags=["t"])},
        ]  # fmt: skip
        subscriptions = [store.subscribe(**source) for source in asked]
        waiting = [asyncio.ensure_future(anext(events)) for events in subscriptions]
        await asyncio.sleep(0.05)  # so that they do wait; if they do not yet, the test is only easier
        (b,) = (await store.append("b-1", [fact("X")])).positions
        (a,) = (await store.append("a-2", [fact("X")])).positions
        one, two = (await store.append("a-1", [fact("X"), fact("X", "t")])).positions
        firsts = await asyncio.wait_for(asyncio.gather(*waiting), LONG)
        assert [event.position for event in firsts] == [b, one, a, two]
        assert [event.position for event in await taken(subscriptions[1], 1)] == [two]
        for events in subscriptions:
            await events.close()

    async def test_from_the_end_only_what_comes_is_given(self, store: AsyncStore) -> None:
        head = (await store.append("a-1", [fact("X"), fact("X")])).position
        asked: list[dict[str, Any]] = [{}, {"stream": "a-1"}, {"category": "a"}, {"stream": "a-2"}]
        subscriptions = [store.subscribe(**source, after="end") for source in asked]
        for events in subscriptions:
            await events.__aenter__()
        assert [events.position for events in subscriptions] == [head, 2, head, 0]
        await store.append("a-1", [fact("Y")])
        await store.append("a-2", [fact("Z")])
        firsts = [(await taken(events, 1))[0].type for events in subscriptions]
        assert firsts == ["Y", "Y", "Y", "Z"]
        for events in subscriptions:
            await events.close()

    async def test_since_a_time_what_was_recorded_from_then_on_is_given(self, stores: Stores) -> None:
        clock = ManualClock()
        store = await stores.open(clock=clock)
        await store.append("a-1", [fact("early")])
        now = clock.move(timedelta(seconds=1))
        await store.append("a-1", [fact("now")])
        async with store.subscribe(since=now) as events, store.subscribe(since=now + timedelta(seconds=1)) as later:
            assert [event.type for event in await taken(events, 1)] == ["now"]
            clock.move(timedelta(seconds=1))
            await store.append("a-1", [fact("late")])
            assert [event.type for event in await taken(events, 1)] == ["late"]
            assert [event.type for event in await taken(later, 1)] == ["late"]

    @pytest.mark.guarantee("G6")
    async def test_who_goes_on_from_its_position_misses_and_doubles_nothing(self, stores: Stores) -> None:
        store, stored = await history(stores, 30)
        for source, selected in sources(stored):
            expected = [event for event in stored if selected(event)]
            found: list[Recorded[Any]] = []
            after = None
            for some in range(len(expected) + 1):
                events = store.subscribe(**source, after=after, idle=0)
                found += await taken(events, min(some, len(expected) - len(found)))
                after = events.position
                await events.close()
            assert found == expected, source

    async def test_its_position_moves_on_with_events_that_it_does_not_give(self, store: AsyncStore) -> None:
        one, _, three, _, five = (
            await store.append("a-1", [fact("X"), fact("Y"), fact("X"), fact("Y"), fact("Y")])
        ).positions
        events = store.subscribe(query=Query.of(types=["X"]), idle=0)
        assert events.position == 0
        seen = [(event.position, events.position) async for event in events]
        assert (seen, events.position) == ([(one, one), (three, five)], five)
        assert isinstance(events.position, Position)

        unheard_of = store.subscribe(category="unheard of", idle=0)
        assert (await listed(unheard_of), unheard_of.position) == ([], five)

    async def test_the_position_in_a_stream_is_a_version(self, store: AsyncStore) -> None:
        await store.append("b-1", [fact("X")])
        await store.append("a-1", [fact("X"), fact("Y"), fact("Z")])
        events = store.subscribe("a-1", after=1, idle=0)
        assert events.position == 1
        assert [(event.version, events.position) async for event in events] == [(2, 2), (3, 3)]
        assert (events.position, isinstance(events.position, Position)) == (3, False)

    @pytest.mark.guarantee("G6")
    async def test_beside_many_writers_all_see_the_same_order_without_gap_or_double(self, stores: Stores) -> None:
        crowd = await stores.crowd(WRITERS + SUBSCRIBERS)
        query = Query.of(types=["X"]) | Query.of(types=["Y"], tags=["t"]) | Query.of(types=[LAST])
        everything = [store.subscribe(idle=LONG) for store in crowd[:SUBSCRIBERS]]
        some = [store.subscribe(query=query, idle=LONG) for store in crowd[:SUBSCRIBERS]]
        readers = [asyncio.ensure_future(until_last(events)) for events in (*everything, *some)]

        async def write(store: AsyncStore, stream: str) -> None:
            for n in range(APPENDS):
                await store.append(stream, [fact("XY"[n % 2], n=n), fact("Y", "t", n=n)])

        await asyncio.gather(*(write(store, f"a-{n}") for n, store in enumerate(crowd[SUBSCRIBERS:])))
        while not all(reader.done() for reader in readers):  # whoever leaves out the first one is to fail soon
            await crowd[0].append("a-9", [fact(LAST)])
            await asyncio.sleep(0.01)
        seen = await asyncio.gather(*readers)

        log = [event for event in await listed(crowd[0].read()) if event.type != LAST]
        assert len(log) == 2 * WRITERS * APPENDS
        assert positions(log) == sorted(set(positions(log)))
        selected = [event for event in log if query.matches(event.type, event.tags)]
        for found, expected in [(found, log) for found in seen[:SUBSCRIBERS]] + [
            (found, selected) for found in seen[SUBSCRIBERS:]
        ]:
            assert positions(found) == positions(expected)
            assert found == expected

    async def test_closing_it_ends_an_iteration_that_waits(self, store: AsyncStore) -> None:
        head = (await store.append("a-1", [fact("X")])).position
        events = store.subscribe()
        reader = asyncio.ensure_future(listed(events))
        await asyncio.sleep(0.1)  # so that it does wait; if it does not yet, the test is only easier
        started = time.monotonic()
        await events.close()
        assert len(await asyncio.wait_for(reader, LONG)) == 1
        assert time.monotonic() - started < 2
        await events.close()
        assert (await listed(events), events.position) == ([], head)

    async def test_closing_it_ends_it_before_what_was_read_already(self, store: AsyncStore) -> None:
        first, *_ = (await store.append("a-1", [fact("X"), fact("X"), fact("X")])).positions
        async with store.subscribe() as events:
            await taken(events, 1)
        assert (await listed(events), events.position) == ([], first)

    async def test_it_ends_when_nothing_came_for_as_long_as_it_may_be_idle(self, store: AsyncStore) -> None:
        await store.append("a-1", [fact("X")])
        events = store.subscribe("a-1", idle=0.3)
        assert len(await taken(events, 1)) == 1
        started = time.monotonic()
        reader = asyncio.ensure_future(listed(events))
        for _ in range(4):  # of another stream, so it came for somebody else
            await store.append("b-1", [fact("X")])
            await asyncio.sleep(0.01)
        assert await reader == []
        assert 0.29 <= time.monotonic() - started < LONG / 2
        assert await listed(events) == []

    async def test_an_event_that_cannot_be_read_stays_the_next_one(self, stores: Stores) -> None:
        store = await stores.open(events=[Noted])
        new = [Noted("a"), fact("account.deposited", amount=1, to="ada"), Noted("b")]
        first, *_ = (await store.append("a-1", new)).positions
        events = store.subscribe(idle=0)
        assert [event.data for event in await taken(events, 1)] == [Noted("a")]
        for _ in range(2):
            with pytest.raises(UnknownEventType):
                await anext(events)
        assert events.position == first
        store.bind(accounts)
        assert [event.data for event in await listed(events)] == [Deposited(1, "ada"), Noted("b")]

    async def test_one_that_makes_no_sense_is_a_usage_error(self, store: AsyncStore) -> None:
        nonsense: Sequence[tuple[dict[str, Any], str]] = [
            ({"stream": "a-1", "category": "a"}, "one of"),
            ({"after": "start"}, "no place to start"),
            ({"idle": -1}, "no time to wait"),
            ({"idle": float("nan")}, "no time to wait"),
            ({"since": ManualClock().time.replace(tzinfo=None)}, "time zone"),
        ]
        for options, said in nonsense:
            with pytest.raises(UsageError, match=said):
                store.subscribe(**options)
        with pytest.raises(InvalidName):
            store.subscribe("no dash")


def positions(events: Sequence[Recorded[Any]]) -> list[int]:
    """Where they stand: what a failure shows first."""
    return [int(event.position) for event in events]
