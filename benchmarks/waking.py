"""`python -m benchmarks.waking [--count N]`: how long after an append a subscriber has the event in its hands.

The clock runs from the call of `append` to the subscriber's next line, so the commit is in it. Each event waits until the
one before has arrived, and a little longer, so that the subscriber does wait. Every event must arrive, in order.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import TypeAlias

from rich.console import Console
from rich.table import Table

from benchmarks.places import postgres_places, sqlite_places
from refold import AsyncStore, Store, event

Run: TypeAlias = Callable[[str, int], list[float]]
"""Follows so many appends to the store at a URL, and gives the milliseconds that each took."""


@event("sent")
class Sent:
    number: int
    at: int


def pause() -> float:
    """Seconds until the next append: no multiple of any polling."""
    return random.uniform(0.005, 0.03)


def now() -> int:
    """Nanoseconds of a clock that all processes of this machine share."""
    return time.monotonic_ns()


def follow(store: Store, count: int, arrived: Callable[[], object], ready: Callable[[], object]) -> list[float]:
    """The milliseconds of so many events, each acknowledged by `arrived`."""
    found: list[float] = []
    with store.subscribe(after="end", idle=30) as events:
        ready()
        for sent in events:
            found.append((now() - sent.data.at) / 1e6)
            assert sent.data.number == len(found)
            arrived()
            if len(found) == count:
                break
    assert len(found) == count, f"{len(found)} of {count} events arrived"
    return found


def append(store: Store, count: int, arrived: threading.Semaphore) -> None:
    """So many events, one after another."""
    for number in range(1, count + 1):
        time.sleep(pause())
        store.append("clock-1", [Sent(number, now())])
        assert arrived.acquire(timeout=30)


def threads(url: str, count: int) -> list[float]:
    """One thread appends, another follows; they share a store."""
    arrived, ready = threading.Semaphore(0), threading.Event()
    with Store.open(url, events=[Sent]) as store:
        found: list[float] = []
        reader = threading.Thread(target=lambda: found.extend(follow(store, count, arrived.release, ready.set)))
        reader.start()
        ready.wait()
        append(store, count, arrived)
        reader.join()
    return found


def tasks(url: str, count: int) -> list[float]:
    """One task appends, another follows; they share a store."""

    async def both() -> list[float]:
        arrived, found = asyncio.Semaphore(0), list[float]()
        async with await AsyncStore.open(url, events=[Sent]) as store, store.subscribe(after="end", idle=30) as events:

            async def read() -> None:
                async for sent in events:
                    found.append((now() - sent.data.at) / 1e6)
                    assert sent.data.number == len(found)
                    arrived.release()

            reader = asyncio.create_task(read())
            for number in range(1, count + 1):
                await asyncio.sleep(pause())
                await store.append("clock-1", [Sent(number, now())])
                await asyncio.wait_for(arrived.acquire(), 30)
            await events.close()
            await reader
        return found

    return asyncio.run(both())


def processes(url: str, count: int) -> list[float]:
    """One process appends, another follows."""
    with Store.open(url, events=[Sent]) as store:
        command = [sys.executable, "-m", "benchmarks.waking", "--follow", url, "--count", str(count)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
            lines = reader.stdout
            assert lines is not None
            assert lines.readline() == "ready\n"
            for number in range(1, count + 1):
                time.sleep(pause())
                store.append("clock-1", [Sent(number, now())])
                assert lines.readline() == "arrived\n"
            found: list[float] = json.loads(lines.readline())
    return found


def follow_here(url: str, count: int) -> None:
    """The other process."""
    with Store.open(url, events=[Sent]) as store:
        found = follow(store, count, lambda: print("arrived", flush=True), lambda: print("ready", flush=True))
    print(json.dumps(found))


@dataclass(frozen=True)
class Figures:
    """What came of one row, in milliseconds, and the mark for the median."""

    store: str
    what: str
    p50: float
    p99: float
    slowest: float
    mark: float

    @property
    def met(self) -> bool:
        """Whether the median is below the mark."""
        return self.p50 < self.mark


ROWS: Sequence[tuple[str, Run, float]] = (
    ("two threads", threads, 20),
    ("two tasks", tasks, 20),
    ("two processes", processes, 50),
)


def figures(store: str, what: str, milliseconds: Sequence[float], mark: float) -> Figures:
    """Of what was measured."""
    hundredths = quantiles(milliseconds, n=100)
    return Figures(store, what, hundredths[49], hundredths[98], max(milliseconds), mark)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waking", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="how many events")
    parser.add_argument("--store", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--follow", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.follow:
        follow_here(options.follow, options.count)
        return
    rows: list[Figures] = []
    for store, places in (("sqlite", sqlite_places), ("postgresql", postgres_places)):
        if options.store in {None, store}:
            with places() as place:
                rows += [figures(store, what, run(place(), options.count), mark) for what, run, mark in ROWS]
    Console().print(table_of(rows))
    path = Path(__file__).parent / "results" / "waking.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([vars(row) | {"met": row.met} for row in rows], indent=2) + "\n")


def table_of(rows: Sequence[Figures]) -> Table:
    """The rows for people."""
    table = Table(box=None, padding=(0, 1))
    for name in ("append to subscriber", "store", "p50", "p99", "slowest", "mark", ""):
        table.add_column(name, justify="left" if name in {"append to subscriber", "store", ""} else "right")
    for row in rows:
        verdict = "[green]met" if row.met else "[red]missed"
        times = (f"{value:.1f} ms" for value in (row.p50, row.p99, row.slowest))
        table.add_row(row.what, row.store, *times, f"p50 < {row.mark} ms", verdict)
    return table


if __name__ == "__main__":
    main()
