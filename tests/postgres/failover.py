"""A cluster of PostgreSQL whose leader's node dies: what writers were told, and what readers saw, also one of standbys."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.faults.load import Load, Report, reported
from tests.postgres.checking import as_logged

from refold import Store
from refold.messages import RawEvent
from refold.testing.patroni import PatroniCluster


def killed(cluster: PatroniCluster, url: str, seed: int, *, kills: int, muted: Sequence[bool]) -> Report:
    """Kill the leader's node so often under load, judge all that was told, and give the figures.

    `muted`: whether its followers hear nothing of what it did in its last moments, by turns.
    """
    outages: list[float] = []
    with Load(url, seed, writers=4, readers=("", "?mode=ro")) as load:
        for number in range(kills):
            load.answered(200)
            outages.append(outage(cluster, load, mute=muted[number % len(muted)]))
        load.answered(200)
    return judged(url, load, outages)


def judged(url: str, load: Load, outages: list[float]) -> Report:
    """What was told and seen, held against the log."""
    with Store.open(url, events=[RawEvent]) as store:
        log = as_logged(store.read())
        wrong = [str(each) for _, found in store.verify() for each in found]
    wrong += load.misled([(event.position, event.id) for event in log])
    return reported(load, log, load.tried, wrong, outages)


def outage(cluster: PatroniCluster, load: Load, *, mute: bool) -> float:
    """Kill the leader's node, wait until appends are acknowledged again, start the node again; how long nobody was answered."""
    leader = cluster.leader()
    assert leader
    if mute:
        leader.mute()
        time.sleep(0.5)  # what it acknowledges now, nobody else knows
    at = time.monotonic_ns()
    leader.kill()
    load.answered(1)
    leader.start()
    cluster.wait()
    return load.outage(at)
