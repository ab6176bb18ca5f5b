"""Parts that are told to meet, by somebody who does not live to join them, do not wait for ever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.faults.merging import POISON, merge, sums
from tests.faults.processes import Process, until
from tests.faults.readmodels import EVENTS, Deposited

from refold import ProjectionStopped, Store
from refold._bridge.stepping import run_sync
from refold.ports import Own
from refold.projection import SLOTS, slot_of

QUICK = timedelta(seconds=0.4)
LONG = 20.0
FIRST = next(str(i) for i in range(99) if slot_of(str(i)) < SLOTS // 2)
LAST = next(str(i) for i in range(99) if slot_of(str(i)) >= SLOTS // 2)


def fail() -> None:
    raise ValueError("poison")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A store whose read model has two parts, the last of which could not be brought up to date."""
    with Store.open(url, events=EVENTS) as store:
        store.append(f"account-{FIRST}", [Deposited(1)])
        store.catch_up(sums())
        store.model(sums()).repartition(2)
        store.append(f"account-{LAST}", [Deposited(POISON)])
        store.append(f"account-{FIRST}", [Deposited(1)])
        with pytest.raises(ValueError, match="poison"):
            store.catch_up(sums(fail))
        yield store


@pytest.fixture
def left(store: Store, url: str) -> Store:
    """What somebody left who was killed after both parts were told where to stand still, and before they were joined."""
    with Process(merge, url=url) as merging:
        until("it is killed", lambda: not merging.is_alive())
    assert places(store) == [(3, 3), (1, 3)]
    store.append(f"account-{FIRST}", [Deposited(1)])
    store.append(f"account-{LAST}", [Deposited(1)])
    return store


def places(store: Store) -> list[tuple[int, int | None]]:
    """How far each part is, and where it stops."""
    return [(part.position, part.stop_at) for part in store.model(sums()).status().partitions]


def amounts(store: Store) -> dict[str, object]:
    return {str(account): amount for account, amount in store.query("select account, amount from sums")}


@pytest.mark.guarantee("G17")
def test_who_catches_up_does_not_wait_for_the_dead(left: Store) -> None:
    assert left.catch_up(sums()) == 3
    assert places(left) == [(5, None), (5, None)]
    assert amounts(left) == {FIRST: 3, LAST: POISON + 1}
    assert left.model(sums()).audit().is_sound


@pytest.mark.guarantee("G17")
def test_a_runner_does_not_wait_for_the_dead_for_long(left: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refold.flows.projections.standing.PATIENCE", 100_000)
    with left.run(sums(), lease=QUICK):
        left.wait_for("sums", left.head(), timeout=LONG)
    assert amounts(left) == {FIRST: 3, LAST: POISON + 1}
    assert left.model(sums()).audit().is_sound


@pytest.mark.guarantee("G17")
def test_parts_that_go_on_do_not_keep_those_that_stand_still(left: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks whether anything moves looks at those that wait, and not at the rest."""
    monkeypatch.setattr("refold.flows.projections.standing.PATIENCE", 200_000)
    left.model(sums()).repartition(1)
    left.model(sums()).repartition(4)
    stop = Own("update {refold}partitions set stop_at = position where first_slot < 512", {})
    run_sync(left._engine.view.work([stop]))

    def arrived() -> bool:
        left.append(f"account-{LAST}", [Deposited(1)])  # which goes on all the while
        return left.model(sums()).status().position > at

    at = left.head()
    with left.run(sums(), lease=QUICK):
        until("all go on", arrived, LONG)


@pytest.mark.guarantee("G17")
def test_the_same_merge_goes_on_where_the_dead_were(left: Store) -> None:
    left.model(sums()).repartition(1)
    assert places(left) == [(3, None)]
    assert left.catch_up(sums()) == 2
    assert amounts(left) == {FIRST: 3, LAST: POISON + 1}
    assert left.model(sums()).audit().is_sound


def test_a_part_that_failed_is_not_set_going_by_a_merge(store: Store) -> None:
    store.catch_up(sums())
    fail = Own("update {refold}partitions set state = 'failed', reason = 'it is broken' where first_slot > 0", {})
    run_sync(store._engine.view.work([fail]))
    with pytest.raises(ProjectionStopped, match="failed at position 3: it is broken"):
        store.model(sums()).repartition(1)
    assert [part.state for part in store.model(sums()).status().partitions] == ["running", "failed"]
