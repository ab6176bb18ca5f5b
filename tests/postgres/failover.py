"""Load on a cluster whose nodes die: what writers were told, what a reader of standbys saw, how long nobody was answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from statistics import median

import msgspec
from tests.postgres.checking import Logged, violations
from tests.postgres.histories import Body, Tried, attempt, body
from tests.postgres.servers import until

from refold import Store, StoreError
from refold.messages import RawEvent
from refold.testing.patroni import PatroniCluster

HISTORY = 40
"""So many appends go to the same few streams and tags, before others take their place."""


class Load:
    """Writers on two stores, and one that follows the log on a standby, until they are told to stop."""

    def __init__(self, url: str, seed: int, writers: int = 4) -> None:
        self.tried: list[Tried] = []
        self.failed: set[str] = set()
        self.seen: list[tuple[int, str]] = []
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        self._stores = [Store.open(url, events=[RawEvent]) for _ in range(2)]
        self._reader = Store.open(f"{url}?mode=ro", events=[RawEvent])
        self._threads = [
            threading.Thread(target=self._safely, args=(self._write, self._stores[n % 2], Random(f"{seed} {n}")))  # noqa: S311 - the same each time for a seed
            for n in range(writers)
        ]
        self._threads.append(threading.Thread(target=self._safely, args=(self._follow,)))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let everything that is under way come to its end."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for store in (*self._stores, self._reader):
            store.close()
        if self._errors:
            raise self._errors[0]

    def answered(self, since: int) -> int:
        """How many appends that began after a time are acknowledged."""
        return sum(one.told == "done" and one.began > since for one in self.tried)

    def _safely(self, work: object, *args: object) -> None:
        assert callable(work)
        try:
            work(*args)
        except BaseException as error:
            self._errors.append(error)

    def _write(self, store: Store, random: Random) -> None:
        while not self._stop.is_set():
            try:
                wanted = body(random, len(self.tried) // HISTORY, lambda: int(store.head()))
            except StoreError:
                continue
            while self._one(store, wanted) in {"unknown", "failed"}:
                pass  # a client in doubt asks for the same again

    def _one(self, store: Store, wanted: Body) -> str:
        try:
            told = attempt(store, wanted)
        except StoreError:
            self.failed.update(wanted.ids)
            return "failed"
        self.failed.difference_update(wanted.ids)
        self.tried.append(told)
        return told.told

    def _follow(self) -> None:
        while True:
            ending, after = self._stop.is_set(), self.seen[-1][0] if self.seen else 0
            try:
                found = [(int(event.position), str(event.id)) for event in self._reader.read(after=after, limit=500)]
            except StoreError:
                continue
            self.seen += found
            if ending and not found:
                return
            self._stop.wait(0.01)


class Report(msgspec.Struct):
    """What came of it."""

    acknowledged: int
    events: int
    told: dict[str, int]
    wrong: list[str]
    outages: list[float]

    def __str__(self) -> str:
        outages = f"p50 {median(self.outages):.1f} s, max {max(self.outages):.1f} s" if self.outages else "none"
        return f"{self.acknowledged:,} appends acknowledged {self.told}, {self.events:,} events; outages: {outages}"


def killed(cluster: PatroniCluster, url: str, seed: int, *, kills: int, muted: Sequence[bool]) -> Report:
    """Kill the leader's node so often under load, judge all that was told, and give the figures.

    `muted`: whether its followers hear nothing of what it did in its last moments, by turns.
    """
    load, outages = Load(url, seed), list[float]()
    try:
        for number in range(kills):
            answered(load, 200)
            outages.append(outage(cluster, load, mute=muted[number % len(muted)]))
        answered(load, 200)
    finally:
        load.stop()
    with Store.open(url, events=[RawEvent]) as store:
        log = [
            Logged(int(e.position), str(e.stream), int(e.version), str(e.id), e.type, tuple(sorted(e.tags)))
            for e in store.read()
        ]
        damaged = [each for _, found in store.verify() for each in found]
    wrong = [*violations(log, load.tried), *map(str, damaged)]
    there = {event.id for event in log}
    wrong += [f"it was said not to be written, and is there: {id}" for id in load.failed & there]
    if load.seen != [(event.position, event.id) for event in log][: len(load.seen)]:
        wrong.append("who followed a standby saw something else")
    done = [one for one in load.tried if one.told == "done"]
    told = {name: sum(one.told == name for one in load.tried) for name in ("done", "conflict", "unknown", "reused")}
    return Report(len(done), len(log), told | {"repeated": sum(one.repeated for one in done)}, wrong, outages)


def answered(load: Load, count: int) -> None:
    """Wait until so many further appends are acknowledged."""
    since = time.monotonic_ns()
    until(f"{count} appends are acknowledged", lambda: load.answered(since) >= count, 60)


def outage(cluster: PatroniCluster, load: Load, *, mute: bool) -> float:
    """Kill the leader's node, wait until appends are acknowledged again, start the node again; how long nobody was answered."""
    leader = cluster.leader()
    assert leader
    if mute:
        leader.mute()
        time.sleep(0.5)  # what it acknowledges now, nobody else knows
    at = time.monotonic_ns()
    leader.kill()
    answered(load, 1)
    leader.start()
    cluster.wait()
    ends = sorted(one.ended for one in load.tried if one.told == "done" and one.ended > at)
    return max(after - before for before, after in pairwise([at, *ends])) / 1e9
