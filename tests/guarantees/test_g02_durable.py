"""G2: what was acknowledged is durable, at the level that `store.durability` names. G7: what was read once is not taken back.

The power of a disk is cut again and again while writers append and a reader follows, and then it is looked what is there.
A level below `disk` must lose something: else the cuts would prove nothing.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

import pytest
from tests.faults.load import Load
from tests.faults.power import Disk, OnDisk, disk, nats_on, postgres_on
from tests.guarantees.telling import tell
from tests.postgres.servers import until

from refold import Store
from refold.messages import RawEvent

pytestmark = [pytest.mark.guarantee("G2"), pytest.mark.guarantee("G7")]


class Cuts:
    """What was told of a store by the moments in which its disk lost its power, held against what was there afterwards."""

    def __init__(self, url: str, disk: Disk, seed: int) -> None:
        self.url, self.disk, self.seed = url, disk, seed
        self.count, self.wrong = 0, list[str]()
        self.acknowledged, self.lost, self.taken_back = set[str](), set[str](), set[str]()
        self._random = Random(seed)  # noqa: S311 - the same each time for a seed

    def cut(self) -> None:
        """Let them write for a moment, cut the power, and look when it is back."""
        with Load(self.url, self._random.randrange(1 << 32), writers=4, patience=0, readers=[""]) as load:
            load.answered(10)
            until("something is read", lambda: load.seen[0])
            time.sleep(self._random.uniform(0, 0.03))  # the moment of the cut is what is random here
            at, seen = time.monotonic_ns(), {id for _, id in tuple(load.seen[0])}
            self.disk.cut()
            self._off()
        self.count += 1
        self.disk.restore()
        self._on()
        self._judge(load, at, seen)

    def _off(self) -> None:
        """What ran on the disk ends."""

    def _on(self) -> None:
        """It runs again."""

    def _judge(self, load: Load, cut_at: int, seen: set[str]) -> None:
        """What is told while the power goes, nobody hears: an fsync of that very moment may say that all is well."""
        with Store.open(self.url, events=[RawEvent]) as store:
            there = {str(event.id) for event in store.read()}
            self.wrong += [str(damage) for _, found in store.verify() for damage in found]
        done = {id for one in load.tried if one.told == "done" and one.ended < cut_at for id in one.body.ids}
        self.acknowledged |= done
        self.lost |= done - there
        self.taken_back |= seen - there
        self.wrong += [f"it was said not to be written, and is there: {id}" for id in load.belied | load.failed & there]
        halves = [one.body.ids for one in load.tried if there & set(one.body.ids) not in (set(), set(one.body.ids))]
        self.wrong += [f"half of an append is there: {ids}" for ids in halves]

    def told(self, backend: str) -> None:
        """Print the figures."""
        tell(
            "G2",
            backend,
            cuts=self.count,
            acknowledged=len(self.acknowledged),
            lost=len(self.lost),
            taken_back=len(self.taken_back),
            wrong=len(self.wrong),
            seed=self.seed,
        )


class ServerCuts(Cuts):
    """The same of a server, whose machine loses its power with the disk."""

    def __init__(self, url: str, disk: Disk, seed: int, server: OnDisk) -> None:
        super().__init__(url, disk, seed)
        self._server = server

    def _off(self) -> None:
        self._server.kill()

    def _on(self) -> None:
        self._server.start()


def cut_sqlite(count: int, name: str = "sqlite", query: str = "") -> Cuts:
    with disk() as own:
        return cut(Cuts(f"sqlite:///{own.place}/store.db{query}", own, secrets.randbelow(1 << 32)), count, name)


def cut_postgres(count: int, name: str = "postgresql", settings: Sequence[str] = ()) -> Cuts:
    with disk() as own, postgres_on(own.place, settings) as server:
        return cut(ServerCuts(server.url, own, secrets.randbelow(1 << 32), server), count, name)


def cut_nats(count: int, name: str = "jetstream", sync: str = "always") -> Cuts:
    with disk() as own, nats_on(own.place, sync) as server:
        return cut(ServerCuts(server.url, own, secrets.randbelow(1 << 32), server), count, name)


def cut(cuts: Cuts, count: int, name: str) -> Cuts:
    for _ in range(count):
        cuts.cut()
    cuts.told(name)
    return cuts


Cut: TypeAlias = Callable[..., Cuts]


@pytest.mark.parametrize(("cut", "count"), [(cut_sqlite, 18), (cut_postgres, 2), (cut_nats, 2)])
def test_what_was_acknowledged_or_shown_is_there_after_a_power_cut(cut: Cut, count: int) -> None:
    cuts = cut(count)
    assert (cuts.lost, cuts.taken_back, cuts.wrong) == (set(), set(), [])


@pytest.mark.long
@pytest.mark.parametrize(("cut", "count"), [(cut_sqlite, 1_000), (cut_postgres, 50), (cut_nats, 50)])
def test_what_was_acknowledged_or_shown_is_there_after_many_power_cuts(cut: Cut, count: int) -> None:
    cuts = cut(count)
    assert (cuts.lost, cuts.taken_back, cuts.wrong) == (set(), set(), [])


def test_sqlite_at_a_level_below_disk_loses_and_stays_whole() -> None:
    cuts = cut_sqlite(5, "sqlite-best-effort", "?durability=best-effort")
    assert (bool(cuts.lost), cuts.wrong) == (True, [])


def test_postgresql_at_a_level_below_disk_loses_and_stays_whole() -> None:
    cuts = cut_postgres(1, "postgresql-best-effort", ["synchronous_commit=off", "wal_writer_delay=10s"])
    assert (bool(cuts.lost), cuts.wrong) == (True, [])


def test_jetstream_that_does_not_sync_each_message_loses() -> None:
    assert cut_nats(1, "jetstream-best-effort", "2m").lost
