"""Who waits is woken at once by a commit of the same store, and by no reader; regular looks are for other processes."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from refold import AsyncStore, RawEvent, Store
from refold.backends.memory import MemoryBackend

LONG = 20.0


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store that is not looked at again within the time of a test."""
    for engine in ("blocking", "awaiting"):
        monkeypatch.setattr(f"refold._bridge.{engine}.POLL", LONG)
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/store.db"


def test_threads_that_wait_are_woken_at_once(url: str) -> None:
    with Store.open(url, events=[RawEvent]) as store:
        heads: list[int] = []
        threads = [threading.Thread(target=lambda: heads.append(store.wait(0, timeout=LONG))) for _ in range(3)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        time.sleep(0.1)  # so that they do wait; if they do not yet, the test is only easier
        store.append("a-1", [RawEvent("X", {})])
        for thread in threads:
            thread.join()
    assert heads == [1, 1, 1]
    assert time.monotonic() - started < LONG / 2


async def test_tasks_that_wait_are_woken_at_once(url: str) -> None:
    async with await AsyncStore.open(url, events=[RawEvent]) as store:
        started = time.monotonic()
        tasks = [asyncio.ensure_future(store.wait(0, timeout=LONG)) for _ in range(3)]
        await asyncio.sleep(0.1)  # so that they do wait; if they do not yet, the test is only easier
        await store.append("a-1", [RawEvent("X", {})])
        assert await asyncio.gather(*tasks) == [1, 1, 1]
    assert time.monotonic() - started < LONG / 2


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One for each time that the head of a store in memory is looked at."""
    looks: list[int] = []
    whole = MemoryBackend.head

    async def head(self: MemoryBackend) -> int:
        looks.append(1)
        return await whole(self)

    monkeypatch.setattr(MemoryBackend, "head", head)
    return looks


@pytest.mark.parametrize("url", ["memory"], indirect=True)
def test_threads_that_wait_do_not_wake_each_other_by_looking(url: str, looks: list[int]) -> None:
    with Store.open(url) as store:
        threads = [threading.Thread(target=lambda: store.wait(0, timeout=0.2)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(looks) == 6, "each looks before it waits, and when its time is over"


@pytest.mark.parametrize("url", ["memory"], indirect=True)
async def test_tasks_that_wait_do_not_wake_each_other_by_looking(url: str, looks: list[int]) -> None:
    async with await AsyncStore.open(url) as store:
        await asyncio.gather(*(store.wait(0, timeout=0.2) for _ in range(3)))
    assert len(looks) == 6, "each looks before it waits, and when its time is over"
