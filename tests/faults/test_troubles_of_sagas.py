"""Troubles of sagas that are in nobody's list: what is declined, and what two have settled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.faults.checkout import EVENTS, MOMENT, Approved, OrderPlaced, Ship, checkout, order, stock
from tests.faults.driving import AtOnce, Driven, run
from tests.faults.judging import entries
from tests.faults.outside import Outside

from refold import Declined, Steps, Store, duties, saga
from refold._bridge.stepping import run_sync
from refold.flows.processes.journal import Ended, Parked, Refused
from refold.testing import ManualClock

pytestmark = pytest.mark.guarantee("G22")


@pytest.fixture
def clock() -> ManualClock:
    """One that is moved."""
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Iterator[Store]:
    """An empty store."""
    with Store.open("sqlite:///:memory:", events=EVENTS, clock=clock) as store:
        yield store


@pytest.fixture
def outside(tmp_path: Path) -> Outside:
    """A world that fails for those who have it coming."""
    return Outside(str(tmp_path / "outside.db"), 1, 0.0)


def test_an_undo_that_is_declined_is_parked_and_not_taken_for_done(
    store: Store, clock: ManualClock, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refund(order: str, key: str) -> None:
        raise Declined("the card is gone")

    monkeypatch.setattr(outside, "refund", refund)
    store.append("order-torn-1", [order("torn-1")])
    run(store, clock, checkout(outside), stock)
    ((found),) = store.process(checkout(outside)).list(stuck=True)
    assert (found.state, found.stuck) == (
        "running", "undo to checkout is parked after 1 attempts: declined: the card is gone",
    )  # fmt: skip


def test_a_step_that_is_declined_after_the_pivot_is_parked(
    store: Store, clock: ManualClock, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deliver(order: str, key: str) -> None:
        raise Declined("nobody is at home")

    monkeypatch.setattr(outside, "deliver", deliver)
    store.append("order-plain-1", [order("plain-1")])
    run(store, clock, checkout(outside), stock)
    assert entries(store, checkout(outside), "plain-1", Refused) == []
    assert [each.error for each in entries(store, checkout(outside), "plain-1", Parked)] == [
        "declined: nobody is at home"
    ]


def test_a_command_gives_the_version_of_its_stream(store: Store, clock: ManualClock) -> None:
    @saga("counting")
    async def counting(s: Steps, order: OrderPlaced) -> Sequence[int]:
        return [await s.command(f"ship {n}", stock.send("x", Ship(s.id))) for n in range(3)]

    store.append("order-1", [order("1")])
    run(store, clock, counting, stock)
    assert [each.result for each in entries(store, counting, "1", Ended)] == [[1, 2, 3]]


def test_what_is_settled_while_it_is_looked_for_is_not_done_again(
    store: Store, clock: ManualClock, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runner looks for messages; one that it has begun before is settled when the rows are read, and not yet looked at."""
    begun: list[Any] = []

    def start(self: Any, name: str, job: Any) -> None:
        begun.append(job)

    whole: Any = vars(duties)["ready"]

    async def ready(*of: Any, commands: bool) -> Any:
        rows = await whole(*of, commands=commands)
        if not commands:
            while begun:
                await begun.pop()()
        return rows

    monkeypatch.setattr(AtOnce, "start", start)
    monkeypatch.setattr(duties, "ready", ready)
    store.append("order-plain-1", [order("plain-1")])
    for _ in range(6):  # what is skipped looks as if nothing was left to be done
        run(store, clock, checkout(outside), stock)
    asked = {verb: outside.called(verb, "plain-1")["times"] for verb in ("charge", "label", "deliver")}
    assert asked == {"charge": 1, "label": 1, "deliver": 1}


@pytest.mark.guarantee("G24")
def test_a_step_that_its_code_does_not_come_to_any_more_is_parked_and_the_right_code_takes_it(
    store: Store, clock: ManualClock, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was tried: were the saga told that it failed, that would hold for ever."""

    def away(order: str, key: str) -> str:
        raise OSError("the bank does not answer")

    @saga("checkout", hears=[Approved])
    async def without_charge(s: Steps, order: OrderPlaced) -> None:
        await s.sleep("pause", MOMENT)

    store.append("order-plain-1", [order("plain-1")])
    with monkeypatch.context() as patch:
        patch.setattr(outside, "charge", away)
        driven = Driven(store._engine.view, store._runtime, [checkout(outside), stock])
        while run_sync(driven.round()):
            pass
    run(store, clock, without_charge, stock)
    ((found),) = store.process(checkout(outside)).list(stuck=True)
    assert found.stuck == (
        "step to checkout is parked after 2 attempts: UsageError: saga 'checkout', version 1, does not come to step 'charge' "
        "any more."
    )
    store.process(checkout(outside)).retry("plain-1", "the step is back")
    run(store, clock, checkout(outside), stock)
    assert [each.state for each in entries(store, checkout(outside), "plain-1", Ended)] == ["finished"]
    assert outside.happened_to("plain-1") == ["charge", "label", "deliver"]
