"""What a runner cannot do is said where people look, and holds up nothing else that it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from tests.faults.processes import until
from tests.faults.readmodels import EVENTS, OUTBOX, Deposited, cards, totals
from tests.faults.rebuilds import tally

from refold import Projection, ProjectionStatus, RawEvent, Recorded, Statement, Store, sql
from refold._bridge.stepping import run_sync
from refold.flows.projections.builds import Build, active_build, builds
from refold.flows.projections.persevering import Persevering
from refold.flows.projections.rebuilding import begin_rebuild, try_switch
from refold.flows.projections.switching import dropped
from refold.flows.projections.work import BATCH, take_up
from refold.ports import Backend, Own
from refold.projection import slot_of

QUICK = timedelta(seconds=0.4)
LONG = 20.0


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The file of a store."""
    return tmp_path / "store.db"


@pytest.fixture
def store(place: Path) -> Iterator[Store]:
    """A store with one event."""
    with Store.open(f"sqlite:///{place}", events=EVENTS) as store:
        store.append("account-1", [Deposited(1)])
        yield store


def active(store: Store, name: str) -> ProjectionStatus:
    """The build that readers see."""
    return next(each for each in store.projections() if each.name == name and each.role == "active")


def built(store: Store, name: str) -> ProjectionStatus:
    """The newest build."""
    return [each for each in store.projections() if each.name == name][-1]


def change(place: Path, text: str) -> None:
    """Somebody with another tool."""
    with closing(apsw.Connection(str(place))) as connection:
        connection.set_busy_timeout(5_000)
        connection.execute(text)


@pytest.mark.guarantee("G20")
@pytest.mark.parametrize("effects", [False, True], ids=["plain", "effects"])
def test_a_switch_that_cannot_be_made_is_told_and_made_when_it_can(store: Store, place: Path, effects: bool) -> None:
    store.catch_up(OUTBOX)
    store.catch_up(tally(1, effects=effects))
    change(place, "create table entries__1 (a integer)")  # where the old build's table should go
    with store.run(tally(2, effects=effects), totals(), lease=QUICK):
        until("the trouble is told", lambda: built(store, "tally").state == "failed", LONG)
        assert "entries__1" in built(store, "tally").reason
        receipt = store.append("account-1", [Deposited(1)])
        store.wait_for("totals", receipt, timeout=LONG)
        until("the old version goes on", lambda: store.catch_up(tally(1, effects=effects)), LONG)
        change(place, "drop table entries__1")
        store.model(tally(2, effects=effects)).resume()
        until("the new version is active", lambda: active(store, "tally").version == 2, LONG)
        store.wait_for("tally", receipt, timeout=LONG)
    assert store.query("select version, events_seen from tally") == [(2, 2)]
    assert store.query("select position, version from outbox order by position") == [(1, 1), (2, 1)][: 2 * effects]


def standing_still(store: Store) -> None:
    """The first version stands still for the second, which is too far behind to switch at once, and which nobody works on."""
    store.catch_up(OUTBOX)
    store.append("account-1", [Deposited(1)] * BATCH)
    store.catch_up(tally(1, effects=True))
    target, runtime = store._engine.view, store._runtime
    building = run_sync(begin_rebuild(target, runtime, tally(2, effects=True)))
    run_sync(try_switch(target, target, runtime, tally(2, effects=True), building))
    store.append("account-1", [Deposited(2)])
    assert store.catch_up(tally(1, effects=True)) == 0


@pytest.mark.guarantee("G20")
def test_nobody_stands_still_for_a_build_that_was_overtaken(store: Store) -> None:
    standing_still(store)
    run_sync(begin_rebuild(store._engine.view, store._runtime, tally(3, effects=True)))
    assert store.catch_up(tally(1, effects=True)) == 1


@pytest.mark.guarantee("G20")
def test_nobody_stands_still_for_long_for_a_build_that_nobody_works_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing_still(store)
    monkeypatch.setattr("refold.flows.projections.standing.PATIENCE", 100_000)
    with store.run(tally(1, effects=True), lease=QUICK):
        store.wait_for("tally", store.head(), timeout=LONG)


@pytest.mark.guarantee("G20")
@pytest.mark.parametrize(("mine", "runs"), [(3, True), (2, False)], ids=["the same version", "a newer version"])
def test_who_looked_before_a_switch_makes_nothing_a_second_time(
    mine: int, runs: bool, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.catch_up(tally(1, effects=False))
    before = [run_sync(builds(store._engine.view, "tally"))]
    store.model(tally(3, effects=False)).rebuild()

    async def looked_before(target: Backend, projection: str) -> Sequence[Build]:
        return before.pop() if before else await builds(target, projection)

    monkeypatch.setattr("refold.runner.builds", looked_before)
    with store.run(tally(mine, effects=False), totals(), lease=QUICK) as running:
        store.wait_for("totals", store.append("account-1", [Deposited(1)]), timeout=LONG)
        assert ("tally" not in running.troubles) == runs
    assert [(each.role, each.version) for each in run_sync(builds(store._engine.view, "tally"))] == [
        ("retired", 1), ("active", 3),
    ]  # fmt: skip


@pytest.mark.guarantee("G20")
def test_who_found_a_build_in_the_making_does_not_remove_it_once_it_is_read(store: Store) -> None:
    target, runtime = store._engine.view, store._runtime
    store.catch_up(tally(1, effects=False))
    building = run_sync(begin_rebuild(target, runtime, tally(2, effects=False)))
    store.model(tally(2, effects=False)).rebuild()
    assert not run_sync(dropped(target, building))
    assert active(store, "tally").version == 2
    assert store.query("select version, events_seen from tally") == [(2, 1)]


@pytest.mark.guarantee("G18")
def test_a_table_that_is_gone_stops_its_projection_with_the_reason(store: Store, place: Path) -> None:
    store.catch_up(cards())
    change(place, "drop table cards")
    with store.run(cards(), totals(), lease=QUICK):
        receipt = store.append("account-1", [Deposited(1)])
        until("it is given up", lambda: active(store, "cards").state == "failed", LONG)
        assert "no such table: cards" in active(store, "cards").reason
        store.wait_for("totals", receipt, timeout=LONG)


@pytest.mark.guarantee("G18")
def test_rows_that_do_not_fit_their_class_stop_the_projection_with_the_reason(store: Store, place: Path) -> None:
    store.catch_up(cards())
    change(place, "alter table cards rename column seen to was_seen")
    with store.run(cards(), totals(), lease=QUICK):
        receipt = store.append("account-1", [Deposited(1)])
        until("it is given up", lambda: active(store, "cards").state == "failed", LONG)
        assert "seen" in active(store, "cards").reason
        store.wait_for("totals", receipt, timeout=LONG)


@pytest.mark.guarantee("G18")
def test_an_event_that_cannot_be_read_stops_the_projection_with_the_reason(store: Store, place: Path) -> None:
    with Store.open(f"sqlite:///{place}") as other:
        other.append("account-1", [RawEvent("account.deposited", {"amount": "much"})])
    with store.run(totals(), lease=QUICK):
        store.wait_for("totals", 1, timeout=LONG)
        until("it is given up", lambda: active(store, "totals").state == "failed", LONG)
    assert "account-1" in active(store, "totals").reason
    assert store.query("select total from totals") == [(1,)]


def test_a_handler_that_would_end_the_program_is_told_and_the_others_go_on(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    leaving = Projection("leaving")

    @leaving.on(Deposited)
    def leave(event: Recorded[Deposited]) -> Iterator[Statement]:
        raise SystemExit(event.data.amount)

    with store.run(leaving, totals(), lease=QUICK):
        store.wait_for("totals", store.head(), timeout=LONG)
        until("it is told", lambda: "the worker of projection 'leaving' ended" in caplog.text, LONG)


def test_an_observer_that_fails_stops_no_work(store: Store) -> None:
    def observe(step: object) -> None:
        raise ZeroDivisionError

    with store.run(totals(), lease=QUICK, observe=observe):
        for _ in range(3):
            receipt = store.append("account-1", [Deposited(1)])
            store.wait_for("totals", receipt, timeout=LONG)
    assert store.query("select total, moves from totals") == [(4, 4)]


@pytest.mark.guarantee("G20")
def test_parts_that_were_told_to_stop_at_a_place_that_one_of_them_had_passed_meet_all_the_same(store: Store) -> None:
    store.catch_up(OUTBOX)
    store.append("account-1", [Deposited(2)])
    store.catch_up(sending(1))
    store.model(sending(1)).repartition(2)
    target = store._engine.view
    hold = "update {refold}partitions set stop_at = 1 where projection = 'sending'"
    behind = "update {refold}partitions set position = 1 where projection = 'sending' and first_slot = :first"
    (theirs,) = (part.first for part in active(store, "sending").partitions if not part.first <= SLOT <= part.last)
    run_sync(target.work([Own(hold, {}), Own(behind, {"first": theirs})]))
    with store.run(sending(1), lease=QUICK), store.run(sending(2), lease=QUICK):
        until("the new version is active", lambda: active(store, "sending").version == 2, LONG)
    assert store.query("select position from outbox order by position") == [(1,), (2,)]


def sending(version: int) -> Projection:
    """Effects, in parts, and a table that stays empty."""
    projection = Projection(
        "sending", version=version, schema="create table sending (a integer)", key=lambda event: event.stream.id
    )

    @projection.effect(Deposited)
    def send(event: Recorded[Deposited]) -> Iterator[Statement]:
        yield sql("insert into outbox values (:position, :version)", position=event.position, version=version)

    return projection


SLOT = slot_of("1")
"""Where the events of the account fall."""


@pytest.mark.guarantee("G17")
def test_steps_that_take_longer_than_a_lease_allows_get_smaller_and_larger_again_when_they_do_not(store: Store) -> None:
    store.catch_up(totals())
    backend = store._engine.view
    work = run_sync(take_up(backend, totals(), run_sync(active_build(backend, store._runtime.clock, totals())), 0))
    assert work is not None
    persevering = Persevering(work)
    sizes = [work.batch]
    for seconds in (3, 3, 3, 3, 3, 1, 0.1, 0.1):
        persevering.took(seconds, 2)
        sizes.append(persevering.most)
    assert sizes == [500, 250, 125, 62, 50, 50, 50, 100, 200]
    assert work.batch == 50
