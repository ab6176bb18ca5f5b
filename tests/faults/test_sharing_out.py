"""Runners that differ, as during a deployment: nobody is left with what it cannot do, and nothing is left to nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from tests.faults.processes import until
from tests.faults.readmodels import EVENTS, Deposited

from refold import Projection, Recorded, Statement, Store, sql

LEASE = timedelta(seconds=0.4)


def counting(version: int, gate: threading.Event | None = None) -> Projection:
    """A read model whose new version takes as long as a gate is closed."""
    projection = Projection("counting", version=version, schema="create table counting (position integer not null)")

    @projection.on(Deposited)
    def note(event: Recorded[Deposited]) -> Iterator[Statement]:
        assert gate is None or gate.wait(60)
        yield sql("insert into counting values (:position)", position=event.position)

    return projection


@pytest.mark.guarantee("G20")
@pytest.mark.parametrize("first", [1, 2], ids=["the-old-one-first", "the-new-one-first"])
def test_the_old_version_goes_on_while_the_new_one_is_built(
    tmp_path: Path, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refold.flows.projections.standing.PATIENCE", 500_000)
    gate = threading.Event()
    with ExitStack() as opened:
        stores = [opened.enter_context(Store.open(f"sqlite:///{tmp_path}/store.db", events=EVENTS)) for _ in range(2)]
        stores[0].append("account-1", [Deposited(1)])
        stores[0].catch_up(counting(1))
        for store, version in zip(stores, (first, 3 - first), strict=True):
            opened.enter_context(store.run(counting(version, gate if version == 2 else None), lease=LEASE))
        opened.callback(gate.set)
        until("both are at it", lambda: len(owners(stores[0])) == 2, 10)
        for position in range(2, 12):
            stores[1].append("account-1", [Deposited(1)])
            stores[1].wait_for("counting", position, timeout=10)
        gate.set()
        until("the new version is active", lambda: versions(stores[0]) == [("retired", 1), ("active", 2)], 10)
        stores[1].append("account-1", [Deposited(1)])
        stores[1].wait_for("counting", 12, timeout=10)
        assert stores[0].query("select position from counting order by position") == [(i,) for i in range(1, 13)]


@pytest.mark.guarantee("G17")
@pytest.mark.parametrize("sets", [("ab", "b"), ("ab", "ba"), ("abc", "cb", "b")], ids="-".join)
def test_everything_is_run_by_somebody_whoever_runs_what_else(tmp_path: Path, sets: tuple[str, ...]) -> None:
    with ExitStack() as opened:
        stores = [opened.enter_context(Store.open(f"sqlite:///{tmp_path}/store.db", events=EVENTS)) for _ in sets]
        stores[0].append("account-1", [Deposited(1)])
        for store, names in zip(stores, sets, strict=True):
            opened.enter_context(store.run(*map(named, names), lease=LEASE))
            until("it is heard of", lambda: runners(store) == stores.index(store) + 1, 10)  # noqa: B023 - called at once
        end = time.monotonic() + 4 * LEASE.total_seconds()  # until then everything has been shared out anew
        while time.monotonic() < end:
            receipt = stores[0].append("account-1", [Deposited(1)])
            for name in {name for names in sets for name in names}:
                stores[0].wait_for(name, receipt, timeout=5)


def named(name: str) -> Projection:
    """A read model of that name."""
    projection = Projection(name, schema=f"create table rows_of_{name} (position integer not null)")

    @projection.on(Deposited)
    def note(event: Recorded[Deposited]) -> Iterator[Statement]:
        yield sql(f"insert into rows_of_{name} values (:position)", position=event.position)  # noqa: S608 - a name of ours

    return projection


def runners(store: Store) -> int:
    """How many have said that they are there."""
    return len({name for (name,) in store.query("select runner from refold_runners")})


def owners(store: Store) -> set[str]:
    """Who works on some build."""
    return {part.owner for each in store.projections() for part in each.partitions if part.owner}


def versions(store: Store) -> list[tuple[str, int]]:
    """The builds by age."""
    return [(each.role, each.version) for each in store.projections()]
