"""A subscription step by step: what it reads and when, and that nothing appended between its steps is left out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, TypeVar

import pytest
from tests.flows.counting import CountingBackend, runtime

from refold import ANY, AsyncStore, Query, RawEvent, Store, StoreBusy
from refold._bridge.blocking import BlockingEngine
from refold._bridge.stepping import run_sync
from refold.backends.memory import MemoryBackend
from refold.flows.append import append
from refold.flows.follow import Follower, follower
from refold.messages import Context
from refold.ports import PAGE, Backend, Selection

T = TypeVar("T")

RUNTIME = runtime(RawEvent)


class Busy:
    """An engine on a store in which somebody appends before and after every call; when there is enough, time passes."""

    def __init__(self, backend: Backend, enough: int) -> None:
        self.backend, self._left, self._types, self._seconds = backend, enough, count(), count()

    def now(self) -> float:
        return 0.0 if self._left else float(next(self._seconds))

    async def wait(self, after: int, seconds: float, /) -> int:
        return await self.outside(lambda b: b.head())

    async def outside(self, flow: Callable[[Backend], Coroutine[Any, Any, T]], /) -> T:
        await self._append()
        result = await flow(self.backend)
        await self._append()
        return result

    async def _append(self) -> None:
        if self._left:
            self._left -= 1
            await appended(self.backend, "XYZ"[next(self._types) % 3])


async def appended(backend: Backend, *types: str) -> None:
    """Append events of these types to one stream."""
    events = [RawEvent(type, {}) for type in types]
    await append(backend, RUNTIME, "a-1", events, expected=ANY, condition=None, context=Context())


def fill(backend: Backend, size: int) -> None:
    for first in range(0, size, PAGE):
        run_sync(appended(backend, *["X"] * min(PAGE, size - first)))


def asked(after: Any = None, **source: Any) -> Follower:
    names = ("stream", "category", "query", "correlation_id")
    return follower(RUNTIME, *(source.get(name) for name in names), after=after, since=None, idle=1)


def everything(follower: Follower, engine: Busy) -> list[int]:
    """The positions of all that it gives until nothing comes any more."""
    found: list[int] = []
    while run_sync(follower.more(engine)):
        while event := follower.taken():
            found.append(int(event.position))
    return found


@pytest.mark.guarantee("G6")
@pytest.mark.parametrize(
    "source",
    [{}, {"stream": "a-1"}, {"category": "a"}, {"query": Query.of(types=["Z"])}],
    ids=["all", "stream", "category", "query"],
)
@pytest.mark.parametrize("before", [0, 1, PAGE - 1, PAGE, PAGE + 1])
def test_what_is_appended_between_any_two_steps_is_given_once_and_in_order(source: Any, before: int) -> None:
    backend = MemoryBackend()
    fill(backend, before)
    found = everything(asked(**source), Busy(backend, 50))
    every = range(1, before + 51)
    assert found == [n for n in every if "query" not in source or (n > before and (n - before) % 3 == 0)]


@pytest.mark.guarantee("G19")
def test_a_page_is_read_when_it_is_asked_for_and_no_more_is_held() -> None:
    backend = CountingBackend()
    fill(backend, 3 * PAGE)
    engine, slow = Busy(backend, 0), asked()
    backend.calls.clear()
    for n in range(2 * PAGE):
        if (event := slow.taken()) is None:
            assert run_sync(slow.more(engine))
            event = slow.taken()
        assert event is not None
        assert backend.calls["read"] == n // PAGE + 1
        assert len(slow._rows) == PAGE - 1 - n % PAGE
    assert backend.calls["head"] == 1, "while there is more up to a head, no other is asked for"


class Flaky(MemoryBackend):
    """Its first reads fail."""

    failures = 2

    async def read(self, selection: Selection) -> Any:
        if self.failures:
            self.failures -= 1
            raise StoreBusy("busy")
        return await super().read(selection)


def test_an_error_of_the_store_ends_nothing_and_the_next_call_goes_on() -> None:
    store = Store(BlockingEngine(Flaky()), RUNTIME, Context())
    store.append("a-1", [RawEvent("X", {}), RawEvent("Y", {})])
    with store.subscribe(idle=0) as events:
        for _ in range(2):
            with pytest.raises(StoreBusy):
                next(events)
        assert [event.type for event in events] == ["X", "Y"]


async def test_a_wait_that_is_cancelled_loses_nothing() -> None:
    async with await AsyncStore.open("memory://", events=[RawEvent]) as store, store.subscribe() as events:
        for n in range(20):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(events), 0.002)
            await store.append("a-1", [RawEvent("X", {})])
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await anext(events)
            assert (await asyncio.wait_for(anext(events), 5)).position == n + 1


async def test_a_task_that_is_cancelled_as_the_subscription_closes_is_cancelled() -> None:
    async with await AsyncStore.open("memory://", events=[RawEvent]) as store:
        events = store.subscribe()
        reader = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.05)
        reader.cancel()
        await events.close()
        with pytest.raises(asyncio.CancelledError):
            await reader


def test_a_thread_that_waits_is_ended_by_another_that_closes() -> None:
    import threading  # noqa: PLC0415

    with Store.open("memory://") as store:
        events = store.subscribe()
        seen: list[object] = []
        thread = threading.Thread(target=lambda: seen.extend(events))
        thread.start()
        events.close()
        thread.join(5)
        assert (thread.is_alive(), seen) == (False, [])
