"""Random appends to a cluster whose servers die, and the judge's view of the log that they leave."""

from __future__ import annotations

import asyncio
import json
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from random import Random
from typing import Any
from uuid import UUID

import nats
from msgspec.structs import replace
from nats.errors import Error as NatsError
from tests.faults.load import Load, Report, reported
from tests.postgres.checking import as_logged
from tests.postgres.histories import Body, Fact, Tried
from tests.postgres.servers import until

from refold import Store
from refold.clock import SystemClock
from refold.messages import RawEvent
from refold.testing.nats import NatsNode


def loaded(url: str, seed: int) -> Load:
    """Six writers and a reader; most of what is appended has ids of just now, which the server remembers by itself."""
    clock = SystemClock()

    def changed(random: Random, wanted: Body) -> Body:
        return _fresh(clock, wanted) if random.random() < 0.6 else wanted

    return Load(url, seed, 6, changed, readers=[""])


def _fresh(clock: SystemClock, wanted: Body) -> Body:
    def made(fact: Fact) -> Fact:
        return replace(fact, id=str(UUID(bytes=clock.new_id())))

    writes = tuple((stream, belief, tuple(map(made, facts))) for stream, belief, facts in wanted.writes)
    return replace(wanted, writes=writes)


def suffered(url: str, seed: int, blows: Sequence[Callable[[], Callable[[], None]]], *, between: int = 60) -> Report:
    """Strike the cluster so often under load, judge all that was told, and give the figures.

    A blow gives what mends it again, which is done when appends are acknowledged again. `between`: so many appends are
    acknowledged before each of them.
    """
    outages: list[float] = []
    with loaded(url, seed) as load:
        for blow in blows:
            load.answered(between)
            at = time.monotonic_ns()
            mend = blow()
            load.answered(6)
            outages.append(load.outage(at))
            mend()
        load.answered(between)
    return judged(url, load, outages)


def judged(url: str, load: Load, outages: list[float]) -> Report:
    """The judge numbers positions without holes, so they are told to it as numbers in the log."""
    with Store.open(url, events=[RawEvent]) as store:
        events = list(store.read())
        wrong = [str(each) for _, found in store.verify() for each in found]
    times = [event.recorded_at for event in events]
    wrong += ["recorded_at goes back"] if times != sorted(times) else []
    places = [int(event.position) for event in events]
    wrong += load.misled([(int(event.position), str(event.id)) for event in events])
    log = [replace(event, position=number) for number, event in enumerate(as_logged(events), 1)]
    return reported(load, log, [numbered(one, places) for one in load.tried], wrong, outages)


def numbered(one: Tried, places: Sequence[int]) -> Tried:
    """The same, told of numbers in the log in place of positions."""

    def number(position: int) -> int:
        return bisect_right(places, position)

    conditions = tuple((number(after), items) for after, items in one.body.conditions)
    return replace(
        one,
        body=replace(one.body, conditions=conditions),
        positions=tuple(map(number, one.positions)),
        matched=tuple((n, number(position)) for n, position in one.matched),
    )


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
