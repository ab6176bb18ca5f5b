"""A cluster of PostgreSQL whose leader's node dies: what writers were told, and what a reader of standbys saw."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.faults.load import Load, Report, reported
from tests.postgres.checking import Logged

from refold import Store
from refold.errors import StoreError
from refold.messages import RawEvent
from refold.testing.patroni import PatroniCluster


class Followed(Load):
    """Four writers, and one that follows the log on a standby."""

    def __init__(self, url: str, seed: int) -> None:
        self.seen: list[tuple[int, str]] = []
        super().__init__(url, seed, writers=4)

    def start(self) -> None:
        super().start()
        self.begin(self._follow, self.opened("?mode=ro"))

    def _follow(self, reader: Store) -> None:
        while True:
            ending, after = self._stop.is_set(), self.seen[-1][0] if self.seen else 0
            try:
                found = [(int(event.position), str(event.id)) for event in reader.read(after=after, limit=500)]
            except StoreError:
                if self.is_hopeless():
                    raise
                continue
            self.seen += found
            if ending and not found:
                return
            self._stop.wait(0.01)


def killed(cluster: PatroniCluster, url: str, seed: int, *, kills: int, muted: Sequence[bool]) -> Report:
    """Kill the leader's node so often under load, judge all that was told, and give the figures.

    `muted`: whether its followers hear nothing of what it did in its last moments, by turns.
    """
    outages: list[float] = []
    with Followed(url, seed) as load:
        for number in range(kills):
            load.answered(200)
            outages.append(outage(cluster, load, mute=muted[number % len(muted)]))
        load.answered(200)
    with Store.open(url, events=[RawEvent]) as store:
        log = [
            Logged(int(e.position), str(e.stream), int(e.version), str(e.id), e.type, tuple(sorted(e.tags)))
            for e in store.read()
        ]
        wrong = [str(each) for _, found in store.verify() for each in found]
    if load.seen != [(event.position, event.id) for event in log][: len(load.seen)]:
        wrong.append("who followed a standby saw something else")
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
