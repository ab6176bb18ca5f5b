"""Writers that are killed in the middle of their work, a reader that looks on, and what is there in the end."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.faults.processes import Process, tell, until

from refold import NewEvent, RawEvent, Recorded, Store, StoreBusy

PARTS: Final = 3
"""So many events has every append here."""
SLACK: Final = 0.05
"""Seconds, within which a writer is killed after its first append."""


@dataclass(frozen=True)
class Killed:
    """What came of a kill loop. `looks`: how often the reader looked at the newest events."""

    seed: int
    kills: int
    acknowledged: int
    there: int
    looks: int


def write(url: str, name: str) -> None:
    """Append to one of four streams, three events at a time, and tell each position that was acknowledged."""
    with Store.open(url, events=[RawEvent]) as store:
        n = 0
        while True:
            n += 1
            receipt = store.append(f"w-{n % 4}", parts_of(f"{name}:{n}", n))
            tell(f"{name}:{n}", *map(int, receipt.positions))


def parts_of(batch: str, n: int) -> Sequence[NewEvent[RawEvent]]:
    """The events of one append."""
    tags = frozenset({f"b:{n}"})
    return [NewEvent(RawEvent("X", {"batch": batch, "part": part}), tags=tags) for part in range(PARTS)]


def kill_loop(url: str, kills: int, seed: int, *, every: int = 1) -> Killed:
    """Kill a writer so many times, look at every so-manieth. Fails if something is lost, half there, or seen by half."""
    random, acknowledged, there = Random(seed), dict[str, list[int]](), 0  # noqa: S311 - the same each time for a seed
    Store.open(url).close()
    with looking(url) as looks:
        for i in range(kills):
            acknowledged |= killed_after(url, str(i), random.uniform(0, SLACK))
            if i % every == 0 or i == kills - 1:
                there = check(url, acknowledged)
    return Killed(seed, kills, len(acknowledged), there, looks.total())


def killed_after(url: str, name: str, seconds: float) -> dict[str, list[int]]:
    """What a writer acknowledged before it was killed, so long after the first of it."""
    with Process(write, url=url, name=name) as writer:
        until("something is acknowledged", lambda: writer.told)
        time.sleep(seconds)  # the moment of the kill is what is random here
        writer.send(signal.SIGKILL)
    lines = [line.split() for line in writer.told]
    return {batch: list(map(int, positions)) for batch, *positions in lines}


def check(url: str, acknowledged: dict[str, list[int]]) -> int:
    """Everything acknowledged stands where it was told to, every append is whole; how many appends there are."""
    with Store.open(url, events=[RawEvent]) as store:
        found, versions = dict[str, list[int]](), Counter[str]()
        for event in store.read():
            found.setdefault(event.data.data["batch"], []).append(event.position)
            versions[str(event.stream)] += 1
            assert event.version == versions[str(event.stream)]
        assert {batch: found.get(batch) for batch in acknowledged} == acknowledged
        assert {len(positions) for positions in found.values()} <= {PARTS}
        assert [damage for _, damages in store.verify() for damage in damages] == []
    return len(found)


@contextmanager
def looking(url: str) -> Generator[Counter[str]]:
    """A reader that follows the newest events meanwhile. The block fails if it ever saw a part of an append."""
    looks, ended = Counter[str](), threading.Event()
    with Store.open(url, events=[RawEvent]) as store:
        reader = threading.Thread(target=_look, args=(store, ended, looks))
        reader.start()
        try:
            yield looks
        finally:
            ended.set()
            reader.join()
    assert set(looks) <= {"whole"}, f"an append was seen by half: {looks}"


def _look(store: Store, ended: threading.Event, looks: Counter[str]) -> None:
    after = 0
    while not ended.wait(0.002):
        try:
            page = list(store.read(after=after))
        except StoreBusy:
            continue
        after = page[-1].position if page else after
        looks["whole" if page_is_whole(page) else str([event.data.data for event in page])] += bool(page)


def page_is_whole(page: Sequence[Recorded[RawEvent]]) -> bool:
    """Whether all appends in it are there with all their parts."""
    return set(Counter(event.data.data["batch"] for event in page).values()) <= {PARTS}
