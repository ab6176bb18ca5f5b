"""Contract: every way to read gives just the events that a filter in Python gives, in order, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from itertools import product
from random import Random
from typing import Any, Final, Literal

import pytest

from refold.aio import AsyncStore
from refold.errors import InvalidName, UsageError
from refold.messages import RawEvent, Recorded
from refold.ports import PAGE
from refold.query import Query, QueryItem
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Contract, Stores, listed
from refold.testing.contract.sample import Noted, fact, notes

Event = Recorded[Any]
Source = tuple[dict[str, Any], Callable[[Event], bool]]

QUERIES: Final = (
    Query.all(),
    Query.of(types=["X"]),
    Query.of(types=["X", "Y"]),
    Query.of(tags=["t"]),
    Query.of(tags=["t", "u"]),
    Query.of(types=["X", "Z"], tags=["u"]),
    Query.of(types=["X"], tags=["t"]) | Query.of(types=["Y"]) | Query.of(tags=["u", "v"]),
    Query(frozenset({QueryItem(types=frozenset({"Z"})), QueryItem(types=frozenset({"Y", "Z"}))})),
    Query.of(types=["unknown"]),
    Query.of(tags=["unknown"]),
)


async def history(stores: Stores, size: int = 80) -> tuple[AsyncStore, list[Event]]:
    """A store with events of all sorts, three at a time, some at the same moment, and what it holds."""
    clock, random = ManualClock(), Random(7)  # noqa: S311 - the same history each time
    store = await stores.open(clock=clock)
    for i in range(size // 3):
        stream = random.choice(["a-1", "a-2", "ab-1", "b-a-1", "a b-1"])
        tags = [random.sample(["t", "u", "v"], random.randrange(4)) for _ in range(3)]
        told = store.context(actor="ada") if i % 2 else store
        await told.append(stream, [fact(random.choice(["X", "Y", "Z"]), *some) for some in tags])
        clock.move(timedelta(seconds=random.randrange(2)))
    return store, await listed(store.read())


def in_stream(name: str, event: Event) -> bool:
    """Whether the event is one of that stream."""
    return str(event.stream) == name


def in_category(name: str, event: Event) -> bool:
    """Whether the event is one of that category."""
    return event.stream.category == name


def matches(query: Query, event: Event) -> bool:
    """Whether the query selects the event."""
    return query.matches(event.type, event.tags)


def in_story(correlation_id: str, event: Event) -> bool:
    """Whether the event belongs to that story."""
    return event.metadata.correlation_id == correlation_id


def sources(stored: Sequence[Event]) -> list[Source]:
    """Everything that one read can ask for, and the filter that says the same."""
    streams = ["a-1", "a-2", "ab-1", "b-a-1", "a b-1", "a-unknown"]
    categories = ["a", "ab", "b", "a b", "unknown"]
    stories = [stored[0].metadata.correlation_id, stored[-1].metadata.correlation_id, "unknown"]
    found: list[Source] = [({}, lambda _: True)]
    found += [({"stream": name}, partial(in_stream, name)) for name in streams]
    found += [({"category": name}, partial(in_category, name)) for name in categories]
    found += [({"query": query}, partial(matches, query)) for query in QUERIES]
    found += [({"correlation_id": story}, partial(in_story, story)) for story in stories]
    return found


def filtered(
    stored: Sequence[Event],
    selected: Callable[[Event], bool],
    *,
    by_version: bool,
    after: int | None,
    since: Any,
    until: Any,
    direction: Literal["forward", "backward"],
    limit: int | None,
) -> list[Event]:
    """What `read` must give, by the plainest means."""

    def wanted(event: Event) -> bool:
        place = event.version if by_version else event.position
        beyond = after is None or (place > after if direction == "forward" else place < after)
        in_time = (since is None or event.recorded_at >= since) and (until is None or event.recorded_at <= until)
        return beyond and in_time and selected(event)

    found = [event for event in stored if wanted(event)]
    return (found if direction == "forward" else found[::-1])[:limit]


class Reading(Contract):
    """`read`."""

    @pytest.mark.guarantee("G13")
    async def test_every_combination_agrees_with_a_filter_in_python(self, stores: Stores) -> None:
        store, stored = await history(stores)
        times = [None, stored[20].recorded_at, stored[55].recorded_at + timedelta(microseconds=1)]
        afters = [None, 0, 1, 3, stored[30].position, stored[-1].position, stored[-1].position + 5]
        options = list(product(afters, times, times, ("forward", "backward"), (None, 0, 1, 7)))
        chosen = Random(11)  # noqa: S311 - the same choice each time
        for source, selected in sources(stored):
            for after, since, until, direction, limit in chosen.sample(options, 25):
                asked: dict[str, Any] = {
                    "after": after, "since": since, "until": until, "direction": direction, "limit": limit,
                }  # fmt: skip
                expected = filtered(stored, selected, by_version="stream" in source, **asked)
                assert await listed(store.read(**source, **asked)) == expected, (source, asked)

    async def test_a_category_is_the_text_before_the_first_dash(self, store: AsyncStore) -> None:
        await store.append("a-b-1", [Noted("x")])
        assert len(await listed(store.read(category="a"))) == 1
        assert await listed(store.read(category="a-b")) == []

    @pytest.mark.guarantee("G9")
    async def test_more_than_a_page_is_read_page_after_page(self, store: AsyncStore) -> None:
        size = 2 * PAGE + 1
        for first in range(0, size, PAGE):
            batch = [fact("X" if i % 2 else "Y", "t", n=i) for i in range(first, min(first + PAGE, size))]
            await store.append("a-1", batch)
        numbers = list(range(size))
        odd = numbers[1::2]

        async def read(**options: Any) -> list[int]:
            return [event.data.data["n"] async for event in store.read(**options)]

        assert await read() == numbers
        assert await read(direction="backward") == numbers[::-1]
        assert await read(stream="a-1") == numbers
        assert await read(stream="a-1", direction="backward") == numbers[::-1]
        assert await read(category="a") == numbers
        assert await read(query=Query.of(tags=["t"])) == numbers
        assert await read(query=Query.of(types=["X"]), direction="backward") == odd[::-1]
        assert await read(query=Query.of(types=["X"]) | Query.of(types=["Y"], tags=["t"])) == numbers
        assert await read(limit=PAGE) == numbers[:PAGE]
        assert await read(limit=PAGE + 1) == numbers[: PAGE + 1]
        assert await read(after=PAGE - 1, limit=PAGE + 1, stream="a-1") == numbers[PAGE - 1 : 2 * PAGE]

    async def test_a_fold_is_loaded_over_more_than_a_page(self, store: AsyncStore) -> None:
        texts = [str(i) for i in range(2 * PAGE + 1)]
        for first in range(0, len(texts), PAGE):
            await store.append("note-1", [Noted(text) for text in texts[first : first + PAGE]])
        loaded = await store.bind(notes).load("1")
        assert (loaded.state, loaded.version) == (tuple(texts), len(texts))
        assert (await store.bind(notes).load("1", as_of=PAGE + 1)).state == tuple(texts[: PAGE + 1])

    async def test_a_read_sees_what_is_appended_while_it_runs_or_not_but_never_a_gap(self, store: AsyncStore) -> None:
        for n in range(0, 2 * PAGE, PAGE):
            await store.append("a-1", [fact("X", n=n + i) for i in range(PAGE)])
        seen: list[int] = []
        async for event in store.read():
            if len(seen) == PAGE // 2:
                await store.append("a-2", [fact("X", n=2 * PAGE)])
            seen.append(event.data.data["n"])
        assert seen in (list(range(2 * PAGE)), list(range(2 * PAGE + 1)))

    async def test_an_event_without_a_class_is_read_as_a_raw_event(self, store: AsyncStore) -> None:
        await store.append("a-1", [fact("unheard.of", "t", deep={"a": [1, None, "x"]})])
        (event,) = await listed(store.read())
        assert (event.data, event.tags) == (RawEvent("unheard.of", {"deep": {"a": [1, None, "x"]}}), {"t"})

    async def test_a_read_that_makes_no_sense_is_a_usage_error(self, store: AsyncStore) -> None:
        with pytest.raises(UsageError, match="read takes one of"):
            await listed(store.read("a-1", category="a"))
        with pytest.raises(UsageError, match="is negative"):
            await listed(store.read(limit=-1))
        with pytest.raises(UsageError, match="time zone"):
            await listed(store.read(since=ManualClock().time.replace(tzinfo=None)))
        with pytest.raises(InvalidName):
            await listed(store.read("no dash"))

    async def test_an_empty_store_gives_nothing_whatever_is_asked(self, store: AsyncStore) -> None:
        every: list[dict[str, Any]] = [
            {},
            {"stream": "a-1"},
            {"category": "a"},
            {"query": QUERIES[6]},
            {"direction": "backward"},
        ]
        for options in every:
            assert await listed(store.read(**options)) == []
