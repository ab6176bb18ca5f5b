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

from refold import Declined, Retry, Saga, Steps, Store, UsageError, duties, saga
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
        "running", "undo to checkout is parked after 1 attempt: declined: the card is gone",
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


def ordered(order: OrderPlaced, key: str) -> str:
    """A step that says what it gives."""
    raise OSError("the carrier does not answer")


def test_a_saga_goes_on_after_a_step_that_was_skipped_whatever_that_gives(store: Store, clock: ManualClock) -> None:
    noted: list[str] = []

    def note(order: OrderPlaced, key: str) -> None:
        noted.append(order.sku)

    paid = Saga("shipping", OrderPlaced).step(note, name="pay", pivot=True)
    declared = paid.step(ordered, retry=Retry(1)).step(note)
    store.append("order-1", [order("plain-1")])
    run(store, clock, declared)
    assert store.process(declared).skip("1", "ordered by hand").messages == 1
    run(store, clock, declared)
    ((found),) = store.process(declared).list()
    assert (found.state, found.stuck, len(noted)) == ("finished", "", 2)


def test_what_became_of_a_step_cannot_be_skipped_and_a_cancelled_saga_takes_it_in_first(
    store: Store, clock: ManualClock
) -> None:
    wrong = [True]
    undone: list[str] = []

    def undo(order: str) -> None:
        undone.append(order)

    @saga("shipping")
    async def shipping(s: Steps, order: OrderPlaced) -> None:
        await s.step("note", str, s.id, undo=undo)
        if wrong:
            raise ZeroDivisionError
        await s.sleep("long", MOMENT)

    store.append("order-1", [order("plain-1")])
    instances = store.process(shipping)
    run(store, clock, shipping)
    with pytest.raises(
        UsageError, match="tells what became of a step, and saga 'shipping' would wait for that for ever"
    ):
        instances.skip("1", "why not")
    assert instances.cancel("1", "a mistake").state == "running"
    run(store, clock, shipping)
    ((found),) = instances.list(stuck=True)
    assert found.stuck.startswith("the input at position 5 is parked: ZeroDivisionError")
    wrong.clear()
    assert instances.retry("1", "the code is right again").inputs == 2
    run(store, clock, shipping)
    ((found),) = instances.list()
    assert (found.state, found.reason, undone) == ("compensated", "a mistake", ["1"])


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


def test_an_input_that_is_parked_is_said_to_have_failed_in_the_code_of_the_saga(
    store: Store, clock: ManualClock
) -> None:
    @saga("shipping")
    async def shipping(s: Steps, order: OrderPlaced) -> None:
        raise KeyError("oops")

    store.append("order-1", [order("plain-1")])
    run(store, clock, shipping)
    ((found),) = store.process(shipping).list(stuck=True)
    name = "test_an_input_that_is_parked_is_said_to_have_failed_in_the_code_of_the_saga.<locals>.shipping"
    assert found.stuck == f"the input at position 1 is parked: KeyError: 'oops' in {name} on 'order.placed'"
