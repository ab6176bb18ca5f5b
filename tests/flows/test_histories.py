"""Histories in which a stored event is read as several: they share a version, and go together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from refold import Fold, Operation, RawEvent, Store, event
from refold.upcasting import split


@split("order.placed", 1, into={"order.opened": 1, "order.charged": 1})
def opened_and_charged(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "order.opened", {"customer": data["customer"]}
    yield "order.charged", {"amount": data["total"]}


@event("order.opened", upcasters=(opened_and_charged,))
class Opened:
    customer: str


@event("order.charged")
class Charged:
    amount: int


OrderEvent: TypeAlias = Opened | Charged


def evolve(charged: int, event: OrderEvent) -> int:
    return charged + event.amount if isinstance(event, Charged) else charged


orders = Fold("order", initial=int, evolve=evolve)


def kept() -> Store:
    """An order of the days when placing it was one event, and what came after."""
    store = Store.open("memory://")
    store.append("order-1", [RawEvent("order.placed", {"customer": "Ada", "total": 30})])
    store.append("order-1", [Charged(5)])
    return store


def test_a_history_has_a_step_for_each_of_them() -> None:
    steps = [*kept().bind(orders).history("1")]
    assert [(step.event.version, step.event.data, step.before, step.state) for step in steps] == [
        (1, Opened("Ada"), 0, 0), (1, Charged(30), 0, 30), (2, Charged(5), 30, 35),
    ]  # fmt: skip


def test_what_if_drops_and_replaces_them_together() -> None:
    order = kept().bind(orders)
    dropped, replaced = order.whatif("1", drop=[1]), order.whatif("1", replace={1: Charged(7)})
    assert (dropped.hypothetical, replaced.hypothetical) == (5, 12)
    assert [event.data for event in dropped.steps[0].happened] == [Opened("Ada"), Charged(30)]
    assert order.whatif("1").steps == ()
    assert order.diff("1", 0, 1) == (Operation("replace", "", 30, 0),)


def test_what_if_puts_several_in_the_place_of_one_that_is_read_as_several() -> None:
    order = kept().bind(orders)
    found = order.whatif("1", replace={1: [Opened("Ada"), Charged(10), Charged(2)], 2: []}, insert={1: Charged(1)})
    assert (found.hypothetical, found.differing) == (13, 2)
    assert found.steps[0].instead == (Opened("Ada"), Charged(10), Charged(2), Charged(1))
    assert found.steps[1].instead == ()
    assert order.whatif("1", replace={1: [Opened("Ada"), Charged(30)]}).steps == ()


def test_what_the_fold_raises_says_where_in_the_hypothetical_history_it_was() -> None:
    def strict(charged: int, event: OrderEvent) -> int:
        if isinstance(event, Charged) and event.amount > 99:
            raise ValueError(event.amount)
        return evolve(charged, event)

    order = kept().bind(Fold("order", initial=int, evolve=strict, events=(Opened, Charged)))
    try:
        order.whatif("1", insert={2: Charged(100)})
    except ValueError as error:
        assert error.__notes__ == ["This was at version 2 of the hypothetical history."]  # noqa: PT017 - the note is what counts
    else:
        raise AssertionError
