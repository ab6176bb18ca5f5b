"""Random appends to a cluster whose servers die, each written down as it was told; and the judge's view of the log."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from statistics import median
from typing import Any
from uuid import UUID

import msgspec
import nats
from msgspec.structs import replace
from nats.errors import Error as NatsError
from tests.postgres.checking import Logged, violations
from tests.postgres.histories import Body, Fact, Tried, attempt, body
from tests.postgres.servers import until

from refold import Store, StoreError
from refold.clock import SystemClock
from refold.messages import RawEvent
from refold.testing.nats import NatsNode

HISTORY = 40
"""So many appends go to the same few streams and tags, before others take their place."""


class Load:
    """Writers on two stores, until they are told to stop."""

    def __init__(self, url: str, seed: int, writers: int = 6) -> None:
        self.tried: list[Tried] = []
        self.failed: set[str] = set()
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        self._clock = SystemClock()
        self._stores = [Store.open(url, events=[RawEvent]) for _ in range(2)]
        self._threads = [
            threading.Thread(target=self._safely, args=(self._stores[n % 2], Random(f"{seed} {n}")))  # noqa: S311 - the same each time for a seed
            for n in range(writers)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let everything that is under way come to its end."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for store in self._stores:
            store.close()
        if self._errors:
            raise self._errors[0]

    def answered(self, since: int) -> int:
        """How many appends that began after a time are acknowledged."""
        return sum(one.told == "done" and one.began > since for one in self.tried)

    def _safely(self, store: Store, random: Random) -> None:
        try:
            while not self._stop.is_set():
                self._write(store, random)
        except BaseException as error:
            self._errors.append(error)

    def _write(self, store: Store, random: Random) -> None:
        try:
            wanted = body(random, len(self.tried) // HISTORY, lambda: int(store.head()))
        except StoreError:
            return
        if random.random() < 0.6:  # others have ids that the server is not relied on to remember
            wanted = self._fresh(wanted)
        while self._one(store, wanted) in {"unknown", "failed"}:
            pass  # a client in doubt asks for the same again

    def _fresh(self, wanted: Body) -> Body:
        def made(fact: Fact) -> Fact:
            return replace(fact, id=str(UUID(bytes=self._clock.new_id())))

        writes = tuple((stream, belief, tuple(map(made, facts))) for stream, belief, facts in wanted.writes)
        return replace(wanted, writes=writes)

    def _one(self, store: Store, wanted: Body) -> str:
        try:
            told = attempt(store, wanted)
        except StoreError:
            self.failed.update(wanted.ids)
            return "failed"
        self.failed.difference_update(wanted.ids)
        self.tried.append(told)
        return told.told


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


def suffered(url: str, seed: int, blows: Sequence[Callable[[], Callable[[], None]]], *, between: int = 60) -> Report:
    """Strike the cluster so often under load, judge all that was told, and give the figures.

    A blow gives what mends it again, which is done when appends are acknowledged again. `between`: so many appends are
    acknowledged before each of them.
    """
    load, outages = Load(url, seed), list[float]()
    try:
        for blow in blows:
            answered(load, between)
            at = time.monotonic_ns()
            mend = blow()
            answered(load, 6)
            outages.append(outage(load, at))
            mend()
        answered(load, between)
    finally:
        load.stop()
    return judged(url, load, outages)


def judged(url: str, load: Load, outages: list[float]) -> Report:
    """The judge numbers positions without holes, so they are told to it as numbers in the log."""
    with Store.open(url, events=[RawEvent]) as store:
        events = list(store.read())
        wrong = [str(each) for _, found in store.verify() for each in found]
    times = [event.recorded_at for event in events]
    wrong += ["recorded_at goes back"] if times != sorted(times) else []
    places = [int(event.position) for event in events]
    log = [
        Logged(
            bisect_right(places, int(e.position)),
            str(e.stream),
            int(e.version),
            str(e.id),
            e.type,
            tuple(sorted(e.tags)),
        )
        for e in events
    ]
    wrong += violations(log, [_numbered(one, places) for one in load.tried])
    wrong += [f"it was said not to be written, and is there: {id}" for id in load.failed & {event.id for event in log}]
    told = Counter("repeated" if one.repeated else one.told for one in load.tried)
    return Report(sum(one.told == "done" for one in load.tried), len(log), dict(told), wrong, outages)


def _numbered(one: Tried, places: Sequence[int]) -> Tried:
    def number(position: int) -> int:
        return bisect_right(places, position)

    conditions = tuple((number(after), items) for after, items in one.body.conditions)
    return replace(
        one,
        body=replace(one.body, conditions=conditions),
        positions=tuple(map(number, one.positions)),
        matched=tuple((n, number(position)) for n, position in one.matched),
    )


def answered(load: Load, count: int) -> None:
    """Wait until so many further appends are acknowledged."""
    since = time.monotonic_ns()
    until(f"{count} appends are acknowledged", lambda: load.answered(since) >= count, 60)


def outage(load: Load, at: int) -> float:
    """The longest time since then that nothing was acknowledged."""
    ends = sorted(one.ended for one in load.tried if one.told == "done" and one.ended > at)
    return max(after - before for before, after in pairwise([at, *ends])) / 1e9


def leader_of(nodes: Sequence[NatsNode], name: str) -> str:
    """The name of the server that leads a stream, as soon as those that can be asked agree on one, and all follow it."""
    found: list[str] = []

    def known() -> bool:
        said = [asyncio.run(_cluster(node, name)) for node in nodes]
        found[:] = [one.get("leader", "") for one in said if one]
        current = all(
            peer.get("current") and not peer.get("offline") for one in said if one for peer in one.get("replicas", ())
        )
        return len(set(found)) == 1 and bool(found[0]) and len(found) == len(nodes) and current

    until("the stream has a leader that all follow", known, 60)
    return found[0]


async def _cluster(node: NatsNode, name: str) -> dict[str, Any]:
    try:
        connection = await nats.connect(node.url, allow_reconnect=False, connect_timeout=1, error_cb=_unheard)
    except (NatsError, OSError, TimeoutError):
        return {}
    try:
        message = await connection.request(f"$JS.API.STREAM.INFO.{name}", b"", timeout=1)
        return dict(json.loads(message.data).get("cluster") or {})
    except (NatsError, TimeoutError):
        return {}
    finally:
        await connection.close()


async def _unheard(_: Exception) -> None: ...
