"""Sagas as pure values: what they ask for after what came of their steps, and what they undo."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from refold import Decider, Saga, SagaAborted, Send, StepFailed, Steps, StepTimedOut, UsageError, command, event, saga
from refold.flows.processes.journal import CancelAsked
from refold.sagas import Declared
from refold.testing import spec


@event("order.placed")
class OrderPlaced:
    sku: str
    cents: int


@event("order.approved")
class Approved:
    by: str


@command("stock.reserve")
class Reserve:
    order: str


@command("stock.release")
class Release:
    order: str


stock = Decider[Reserve | Release, int, OrderPlaced](
    "stock", initial=int, evolve=lambda n, e: n, decide=lambda c, s: (), events=(OrderPlaced,)
)


def take(sku: str, key: str) -> str:
    """Reserve something, outside."""
    return f"{sku} {key}"


def give_back(sku: str, key: str) -> None:
    """Undo that."""


def charge(cents: int) -> int:
    """Take money."""
    return cents


def refund(cents: int) -> None:
    """Give it back."""


@saga("checkout", hears=[Approved])
async def checkout(s: Steps, order: OrderPlaced) -> str:
    taken = await s.step("take", take, order.sku, s.key("take"), undo=give_back)
    paid = await s.step("pay", charge, order.cents, undo=refund)
    await s.sleep("cool off", timedelta(days=1))
    try:
        approved = await s.wait_for("approval", Approved, timeout=timedelta(days=3))
    except StepTimedOut as late:
        raise SagaAborted("nobody approved") from late
    await s.command("book", stock.send(order.sku, Reserve("1")), undo=stock.send(order.sku, Release("1")), pivot=True)
    return f"{taken} {paid} {approved.by}"


given = spec(checkout)(OrderPlaced("book", 5))


def test_one_step_is_asked_for_after_the_other() -> None:
    key = Steps("checkout", "1", lambda: pytest.fail("no time is needed")).key("take")
    asked = given.then_asks("take", take, "book", key).gives("take", "shelf 3")
    asked.then_asks("pay", charge, 5).gives("pay", 5).then_waits_for("cool off").wakes("cool off").then_waits_for(
        "approval"
    )


def test_its_result_is_that_of_the_code() -> None:
    paid = given.gives("take", "shelf 3").gives("pay", 5).wakes("cool off").hears(Approved("Ada"))
    paid.then_asks("book", stock.send("book", Reserve("1"))).gives("book", 1).then_finishes("shelf 3 5 Ada")


def test_what_was_heard_before_it_was_waited_for_is_not_lost() -> None:
    given.gives("take", "x").hears(Approved("Ada")).gives("pay", 5).wakes("cool off").then_waits_for("book")


def test_a_step_that_failed_may_have_had_its_effect_so_it_is_undone_too() -> None:
    given.gives("take", "x").fails("pay").then_undoes("pay", "take")


def test_a_step_that_was_declined_had_none() -> None:
    given.gives("take", "x").declines("pay").then_undoes("take")


def test_a_command_that_was_refused_had_none() -> None:
    at_the_book = given.gives("take", "x").gives("pay", 5).wakes("cool off").hears(Approved("Ada"))
    at_the_book.fails("book", "OutOfStock").then_undoes("pay", "take")


def test_what_the_code_raises_itself_is_undone_from() -> None:
    late = given.gives("take", "x").gives("pay", 5).wakes("cool off").times_out("approval")
    assert late.then_undoes("pay", "take").record.reason == "SagaAborted: nobody approved"


def test_what_the_code_catches_is_not() -> None:
    @saga("lenient")
    async def lenient(s: Steps, order: OrderPlaced) -> str:
        try:
            await s.step("pay", charge, order.cents, undo=refund)
        except StepFailed as failed:
            return failed.error
        return ""

    spec(lenient)(OrderPlaced("x", 1)).fails("pay", "no money").then_finishes("no money")


def test_after_the_pivot_nothing_is_undone() -> None:
    @saga("forward")
    async def forward(s: Steps, order: OrderPlaced) -> None:
        ship = s.step("ship", charge, order.cents)
        await s.parallel(s.step("pay", charge, order.cents, undo=refund, pivot=True), ship)

    sent = spec(forward)(OrderPlaced("x", 1)).fails("ship").gives("pay", 1).asked[-1]
    assert str(getattr(sent, "state", "")) == "failed"


@pytest.mark.parametrize("verb", ["fails", "declines"])
def test_what_fails_after_the_pivot_is_parked_so_no_spec_can_tell_the_code_of_it(verb: str) -> None:
    @saga("forward")
    async def forward(s: Steps, order: OrderPlaced) -> str:
        await s.step("pay", charge, order.cents, pivot=True)
        try:
            await s.step("ship", charge, order.cents)
        except StepFailed:
            return "not shipped"
        return ""

    paid = spec(forward)(OrderPlaced("x", 1)).gives("pay", 1)
    with pytest.raises(AssertionError, match="step 'ship' is asked for after the pivot: if it fails it is parked"):
        getattr(paid, verb)("ship")
    paid.gives("ship", 1).then_finishes("")


def test_what_is_heard_twice_is_two_events_even_if_they_are_one_object() -> None:
    @saga("both", hears=[Approved])
    async def both(s: Steps, order: OrderPlaced) -> list[str]:
        return [(await s.wait_for(name, Approved)).by for name in ("first", "second")]

    approved = Approved("Ada")
    spec(both)(OrderPlaced("x", 1)).hears(approved).then_waits_for("second").hears(approved).then_finishes(["Ada"] * 2)


def test_steps_side_by_side_are_all_waited_for_and_all_undone() -> None:
    @saga("wide")
    async def wide(s: Steps, order: OrderPlaced) -> tuple[int, ...]:
        return await s.parallel(*(s.step(f"pay {n}", charge, n, undo=refund) for n in range(3)))

    begun = spec(wide)(OrderPlaced("x", 1)).then_waits_for("pay 0", "pay 1", "pay 2")
    begun.gives("pay 1", 1).gives("pay 0", 0).then_waits_for("pay 2").gives("pay 2", 2).then_finishes([0, 1, 2])
    begun.fails("pay 1").then_waits_for("pay 0", "pay 2").gives("pay 0", 0).declines("pay 2").then_undoes(
        "pay 1", "pay 0"
    )


def test_time_ids_and_keys_are_the_same_in_each_run() -> None:
    seen: list[tuple[object, ...]] = []

    @saga("timely")
    async def timely(s: Steps, order: OrderPlaced) -> None:
        first = s.now(), s.uuid("a"), s.key("a")
        await s.step("pay", charge, order.cents)
        seen.append((*first, s.now() - first[0]))
        await s.step("again", charge, order.cents)

    spec(timely)(OrderPlaced("x", 1)).gives("pay", 1).gives("again", 1).then_finishes()
    assert len(seen) > 1
    assert len(set(seen)) == 1
    assert seen[0][-1] == timedelta(seconds=1)


def test_a_name_that_stands_for_two_steps_is_an_error() -> None:
    @saga("twice")
    async def twice(s: Steps, order: OrderPlaced) -> None:
        await s.step("pay", charge, order.cents)
        await s.step("pay", charge, order.cents)

    with pytest.raises(UsageError, match=re.escape("saga 'twice' takes step 'pay' twice in one run")):
        spec(twice)(OrderPlaced("x", 1)).gives("pay", 1)


def test_code_that_forgets_a_step_that_was_taken_is_an_error() -> None:
    @saga("changed")
    async def before(s: Steps, order: OrderPlaced) -> None:
        await s.step("pay", charge, order.cents)
        await s.step("ship", charge, order.cents)

    @saga("changed", version=2)
    async def after(s: Steps, order: OrderPlaced) -> None:
        await s.step("ship", charge, order.cents)

    case = spec(before)(OrderPlaced("x", 1)).gives("pay", 1)
    changed = spec(after)(OrderPlaced("x", 1))
    moved = type(case)(changed.process, case.id, case.record, case.asked, case.count)
    with pytest.raises(UsageError, match="comes to its end without step 'pay', which this instance has taken"):
        moved.gives("ship", 1)


def test_one_that_is_cancelled_before_its_new_code_comes_to_a_step_that_was_taken_is_an_error() -> None:
    @saga("changed", hears=[Approved])
    async def before(s: Steps, order: OrderPlaced) -> None:
        await s.step("pay", charge, order.cents, undo=refund)
        await s.wait_for("approval", Approved)

    @saga("changed", version=2, hears=[Approved])
    async def after(s: Steps, order: OrderPlaced) -> None:
        await s.wait_for("approval", Approved)
        await s.step("pay", charge, order.cents, undo=refund)

    case = spec(before)(OrderPlaced("x", 1)).gives("pay", 1)
    moved = type(case)(spec(after)(OrderPlaced("x", 1)).process, case.id, case.record, case.asked, case.count)
    with pytest.raises(UsageError, match="comes to its end without step 'pay', which this instance has taken"):
        moved.after(CancelAsked("the customer left"))
    case.after(CancelAsked("the customer left")).then_undoes("pay")


def test_steps_may_be_added_under_instances_that_are_under_way() -> None:
    @saga("changed")
    async def before(s: Steps, order: OrderPlaced) -> None:
        await s.step("pay", charge, order.cents)

    @saga("changed", version=2)
    async def after(s: Steps, order: OrderPlaced) -> None:
        await s.step("check", charge, order.cents)
        await s.step("pay", charge, order.cents)

    case = spec(before)(OrderPlaced("x", 1))
    moved = type(case)(spec(after)(OrderPlaced("x", 1)).process, case.id, case.record, case.asked, case.count)
    moved.hears(OrderPlaced("x", 1)).then_waits_for("check").gives("check", 1).then_waits_for("pay")


# Declared ------------------------------------------------------------------------


def pay(order: OrderPlaced, key: str) -> int:
    """Take the money of an order."""
    return order.cents


def pay_back(order: OrderPlaced, key: str) -> None:
    """And give it back."""


def _sends(make: Callable[[str], Reserve | Release]) -> Callable[[OrderPlaced], Send]:
    return lambda order: stock.send(order.sku, make("1"))


declared = (
    Saga("fulfilment", OrderPlaced)
    .command("reserve", _sends(Reserve), undo=_sends(Release))
    .side_by_side(Declared("pay", pay, pay_back), Declared("wrap", pay))
    .step(pay, name="ship", pivot=True)
)


def test_a_declared_saga_takes_its_steps_in_order() -> None:
    begun = spec(declared)(OrderPlaced("book", 5)).then_asks("reserve", stock.send("book", Reserve("1")))
    paid = begun.gives("reserve", 1).then_waits_for("pay", "wrap").gives("wrap", 5).gives("pay", 5)
    paid.then_waits_for("ship").gives("ship", 5).then_finishes()


def test_a_declared_saga_undoes_what_it_did() -> None:
    begun = spec(declared)(OrderPlaced("book", 5)).gives("reserve", 1).gives("pay", 5)
    begun.fails("wrap").then_undoes("pay", "reserve")


def test_it_can_be_drawn() -> None:
    assert (
        declared.diagram()
        == """flowchart LR
  begin(["order.placed"])
  s0_0["reserve"]
  begin --> s0_0
  s0_0_undo["undo reserve"]
  s1_0["pay"]
  s0_0 --> s1_0
  s1_0_undo["undo pay"]
  s1_1["wrap"]
  s0_0 --> s1_1
  s2_0["ship (pivot)"]
  s1_0 --> s2_0
  s1_1 --> s2_0
  s2_0 --> done([completed])
  s1_0_undo -.-> s0_0_undo
  s0_0_undo -.-> compensated([compensated])
"""
    )


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Saga("a-b", OrderPlaced), "contains '-'"),
        (lambda: Saga("a", OrderPlaced, version=0), "has version 0: the first is 1"),
        (lambda: Saga("a"), "declare it as Saga('a', EventThatBeginsIt), or write @saga"),
        (lambda: declared.step(pay), "has two steps named 'pay': give one another name="),
        (lambda: checkout.step(pay), "is plain code: await the step there"),
        (checkout.diagram, "declares no steps"),
    ],
)
def test_what_is_no_saga_is_told(make: Callable[[], object], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        make()


@saga("deaf")
async def deaf(s: Steps, order: OrderPlaced) -> str:
    approved = await s.wait_for("approval", Approved)
    return approved.by


def test_a_saga_does_not_wait_for_what_it_does_not_hear() -> None:
    with pytest.raises(
        UsageError, match=re.escape("saga 'deaf' waits for Approved, and does not hear it: write hears=[Approved].")
    ):
        spec(deaf)(OrderPlaced("book", 5))


def test_what_it_does_not_hear_is_not_to_be_told_in_a_spec() -> None:
    with pytest.raises(
        AssertionError, match=re.escape("saga 'hasty' does not hear Approved(by='me'): write hears=[Approved]")
    ):
        spec(hasty)(OrderPlaced("book", 5)).hears(Approved("me"))


@saga("hasty")
async def hasty(s: Steps, order: OrderPlaced) -> str:
    await s.sleep("cool off", timedelta(days=1))
    forgotten = order.cents
    if forgotten == 1:
        s.command("book", stock.send(order.sku, Reserve("1")))
    if forgotten == 2:
        s.parallel(s.sleep("again", timedelta(days=1)))
    return "done"


@pytest.mark.parametrize(("cents", "step"), [(1, "book"), (2, "again")])
def test_a_saga_does_not_end_with_a_step_that_it_made_and_did_not_await(cents: int, step: str) -> None:
    begun = spec(hasty)(OrderPlaced("book", cents))
    with pytest.raises(
        UsageError,
        match=f"saga 'hasty', version 1, comes to its end, and step '{step}' was made but not awaited: write await before it",
    ):
        begun.wakes("cool off")


def test_steps_may_be_made_before_they_are_awaited() -> None:
    @saga("early")
    async def early(s: Steps, order: OrderPlaced) -> str:
        first, second = s.sleep("first", timedelta(days=1)), s.sleep("second", timedelta(days=1))
        await first
        await second
        return "done"

    spec(early)(OrderPlaced("book", 5)).wakes("first").then_waits_for("second").wakes("second").then_finishes("done")


def test_a_saga_is_written_as_a_coroutine_function() -> None:
    def plain(s: Steps, order: OrderPlaced) -> None: ...

    @functools.wraps(deaf.code or plain)
    def wrapping(s: Steps, order: OrderPlaced) -> Any: ...

    with pytest.raises(UsageError, match=r"saga 'plain': .*plain cannot await its steps: write async def."):
        saga("plain")(plain)  # type: ignore[arg-type] # that is what is looked at
    assert saga("wrapping")(wrapping).name == "wrapping"
