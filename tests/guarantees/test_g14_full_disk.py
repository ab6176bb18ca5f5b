"""G14: a full disk gives a clear error and leaves nothing half-written; reads go on, and appends do when there is space.

SQLite is given disks of so many bytes, from none on, at which a write is cut off wherever that is; and file systems that
are really full, as PostgreSQL is.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from random import Random

import pytest
from tests.faults.failing import Budget, NthFails
from tests.faults.folders import quick_folder
from tests.faults.power import disk, postgres_on
from tests.faults.troubled import Troubled
from tests.guarantees.seeding import seeded
from tests.guarantees.telling import tell

from refold import RawEvent, Store, StoreFull

pytestmark = [pytest.mark.guarantee("G14")]

LARGEST = 500_000
"""Bytes of a disk on which many appends find room."""
MOST = 40
"""So many appends are made at most until it is full."""


# Disks of so many bytes -----------------------------------------------------------------------------------------------


def budgets(count: int) -> None:
    """So many sizes, evenly spread, none of them at the end of a page; each disk is filled, and gets more space then."""
    seed = seeded()
    offset, told, too_small, wrong = seed % 509, Counter[str](), 0, list[str]()
    for n in range(count):
        size = n * LARGEST // count + offset
        with quick_folder() as folder:
            trouble, opened = filled_and_freed(f"sqlite:///{folder}/store.db", size, seed)
        told.update(trouble.counts)
        too_small += not opened
        wrong += [f"{size} bytes: {found}" for found in trouble.wrong]
    tell("G14", "sqlite", budgets=count, too_small_for_a_store=too_small, **told, wrong=len(wrong), seed=seed)
    assert wrong == []
    assert 0 < too_small < count
    assert set(told) == {"done", "refused"}  # nothing is unknown


def filled_and_freed(url: str, size: int, seed: int) -> tuple[Troubled, bool]:
    """Fill a disk, look, give it space, go on; and whether a store found place on it at first."""
    budget = Budget(size)
    with Troubled(url, budget, seed, only=StoreFull) as trouble:
        if opened := trouble.open():
            _fill(trouble)
        budget.size = 10 * LARGEST
        if opened or trouble.open():
            before = trouble.counts["refused"]
            trouble.append(3)
            if trouble.counts["refused"] != before:
                trouble.wrong.append("an append was refused though there is space again")
    trouble.settle()
    return trouble, opened


def _fill(trouble: Troubled) -> None:
    """Append until there is no space, and twice more."""
    for _ in takewhile(lambda _: not trouble.counts["refused"], range(MOST)):
        trouble.append(1)
    trouble.append(2)


def test_whatever_the_size_of_its_disk_sqlite_refuses_keeps_and_goes_on() -> None:
    budgets(50)


@pytest.mark.long
def test_sqlite_refuses_keeps_and_goes_on_on_disks_of_a_thousand_sizes() -> None:
    budgets(1_000)


# File systems that are full -------------------------------------------------------------------------------------------


class Ballast:
    """A file that takes all space but so many bytes, for as long as it is there."""

    def __init__(self, place: Path, free: int) -> None:
        self._file = place / "ballast"
        with self._file.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
        with self._file.open("r+b") as file:
            file.truncate(self._file.stat().st_size - free)

    def drop(self) -> None:
        self._file.unlink()


def test_sqlite_on_a_full_file_system_refuses_keeps_and_goes_on() -> None:
    seed = seeded()
    with (
        disk(16) as own,
        Troubled(f"sqlite:///{own.place}/store.db", NthFails("write", 0), seed, only=StoreFull) as trouble,
    ):
        assert trouble.open()
        ballast = Ballast(own.place, Random(seed).randrange(10_000, 60_000))  # noqa: S311 - the same for a seed
        _fill(trouble)
        ballast.drop()
        refused = trouble.counts["refused"]
        trouble.append(3)
        trouble.settle()
    tell("G14", "sqlite", file_system="ext4", **trouble.counts, wrong=len(trouble.wrong), seed=seed)
    assert trouble.wrong == []
    assert trouble.counts["refused"] == refused > 0


def test_postgresql_on_a_full_file_system_refuses_keeps_and_goes_on() -> None:
    with disk(256) as own, postgres_on(own.place) as server, Store.open(server.url, events=[RawEvent]) as store:
        ballast = Ballast(own.place, 1 << 20)
        done, told = _filled(store)
        before = _numbers(store)
        ballast.drop()
        store.append("a-1", _big(done))
        after, damages = _numbers(store), [damage.problem for _, found in store.verify() for damage in found]
    tell("G14", "postgresql", file_system="ext4", done=done + 1, refused=len(told), wrong=len(damages))
    assert before == [n for n in range(done) for _ in range(3)]
    assert after == [n for n in range(done + 1) for _ in range(3)]
    assert [("no space left" in one, "Nothing was written" in one) for one in told] == [(True, True)] * 3
    assert damages == []


def _filled(store: Store) -> tuple[int, list[str]]:
    """Append until it is full, and twice more; how many appends were done, and what the others were told."""
    done, told = 0, list[str]()
    while len(told) < 3:
        try:
            store.append("a-1", _big(done))
        except StoreFull as error:
            told.append(str(error))
        else:
            assert not told, "an append found space where there was none"
            done += 1
    return done, told


def _big(n: int) -> list[RawEvent]:
    """What cannot be made smaller."""
    texts = [Random(n * 3 + part).randbytes(4_000).hex() for part in range(3)]  # noqa: S311 - the same each time
    return [RawEvent("X", {"n": n, "text": text}) for text in texts]


def _numbers(store: Store) -> list[int]:
    return [event.data.data["n"] for event in store.read()]
