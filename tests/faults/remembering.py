"""Readers of a long history, each in a process of its own, and what more they hold at their peak than after a short one."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
from tests.faults.processes import Process, tell, until
from tests.faults.slowness import serve_http

from refold import AsyncStore, Projection, Query, RawEvent, Recorded, Statement, Store, sql
from refold.cli.program import program

SHORT: Final = "short"
"""The category of the events that are read first, so that all is loaded and caches are full."""
CACHES: Final = 20 << 20
"""More bytes than the cache of a connection to SQLite holds."""
AT_ONCE: Final = 500


def fill(url: str, events: int, size: int) -> int:
    """So many events of this size; how many of them are of the short category."""
    few = CACHES // (size + 200) // AT_ONCE * AT_ONCE
    with Store.open(url, events=[RawEvent]) as store:
        for first in range(0, events, AT_ONCE):
            category = SHORT if first < few else "long"
            batch = [RawEvent("X", {"n": first + n, "text": "x" * size}) for n in range(min(AT_ONCE, events - first))]
            store.append(f"{category}-{first // AT_ONCE % 100}", batch)
    return few


def grown(role: str, url: str, events: int, few: int) -> int:
    """How many bytes a reader's process grows by, at its peak, when it reads all of so many events after those few."""
    if role == "http":
        return _served(url, events, few)
    with Process(globals()[role], url=url) as reader:
        until("it has read all", lambda: reader.has_told("grown") or not reader.is_alive(), 3_000)
        told = dict(line.split(" ", 1) for line in reader.told)
    assert int(told["events"]) == events, told
    return int(told["grown"])


def _status(pid: int | str, name: str) -> int:
    (line,) = (each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith(name))
    return int(line.split()[1]) * 1_024


class Peak:
    """What a process holds now, and the most that it held since."""

    def __init__(self, pid: int | str = "self") -> None:
        self._pid = pid
        self.anew()

    def anew(self) -> None:
        """The peak begins anew."""
        Path(f"/proc/{self._pid}/clear_refs").write_text("5")
        self._before = _status(self._pid, "VmRSS:")

    def beyond(self) -> None:
        """What was the peak until now is what it may hold."""
        self._before = _status(self._pid, "VmHWM:")

    def grown(self) -> int:
        """By how much it grew."""
        return max(0, _status(self._pid, "VmHWM:") - self._before)


def _served(url: str, events: int, few: int) -> int:
    with Process(serve_http, url=url) as server:
        until("the server answers", lambda: server.has_told("http"))
        where = f"{server.told[0]}/events"
        assert _lines(where, {"limit": few}) == few
        peak = Peak(server.pid)
        assert _lines(where, {}) == events
        return peak.grown()


def _lines(url: str, params: dict[str, Any]) -> int:
    with httpx.stream("GET", url, params=params, headers={"Accept": "application/x-ndjson"}, timeout=600) as answer:
        return sum(part.count(b"\n") for part in answer.iter_bytes())


# Roles -------------------------------------------------------------------------------------------------


def said(peak: Peak, events: int) -> None:
    tell("events", events)
    tell("grown", peak.grown())


def sync(url: str) -> None:
    """By the store that blocks."""
    with Store.open(url, events=[RawEvent]) as store:
        warm = sum(1 for _ in store.read(category=SHORT))
        peak = Peak()
        said(peak, sum(1 for _ in store.read()) if warm else 0)


def backward(url: str) -> None:
    """The same from the end, with a query."""
    with Store.open(url, events=[RawEvent]) as store:
        warm = sum(1 for _ in store.read(category=SHORT, direction="backward"))
        peak = Peak()
        said(peak, sum(1 for _ in store.read(query=Query.of(types=["X", "Y"]), direction="backward")) if warm else 0)


def awaiting(url: str) -> None:
    """By the store that awaits."""

    async def read() -> None:
        async with await AsyncStore.open(url, events=[RawEvent]) as store:
            warm = len([event async for event in store.read(category=SHORT)])
            gc.collect()
            peak, count = Peak(), 0
            async for _ in store.read():
                count += 1
            said(peak, count if warm else 0)

    asyncio.run(read())


def hoarding(url: str) -> None:
    """As nobody should: all of it at once."""
    with Store.open(url, events=[RawEvent]) as store:
        peak = Peak()
        said(peak, len(list(store.read())))


def export(url: str) -> None:
    """By the command line, to a pipe."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            os._exit(0 if _counted(pipe) else 1)
    os.close(reading)
    sys.stdout = os.fdopen(writing, "w")
    peak = Peak()
    program.main(["export", "-", "--store", url, "--category", SHORT], standalone_mode=False)
    peak.beyond()  # each run opens a store of its own, with caches of its own
    program.main(["export", "-", "--store", url], standalone_mode=False)
    sys.stdout.flush()
    with Store.open(url) as store:
        said(peak, int(store.head()))


def _counted(pipe: Any) -> int:
    return sum(1 for _ in pipe)


def counting() -> Projection:
    """A row for each hundred events."""
    projection = Projection("counted", schema="create table counted (hundred integer primary key, events integer)")

    @projection.on(RawEvent)
    def count(event: Recorded[RawEvent]) -> Iterator[Statement]:
        yield sql(
            "insert into counted values (:hundred, 1) on conflict (hundred) do update set events = counted.events + 1",
            hundred=int(event.position) // 100,
        )

    return projection


def rebuild(url: str) -> None:
    """A read model is made anew, beside the one that people read."""
    with Store.open(url, events=[RawEvent]) as store:
        model = store.model(counting())
        model.catch_up()
        gc.collect()
        peak = Peak()
        model.rebuild()
        ((events,),) = store.query("select sum(events) from counted")
        said(peak, int(str(events)))
