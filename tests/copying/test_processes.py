"""Processes in a copy: what their instances waited for in the store that it was made of, they wait for there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from refold import Effect, Process, Recorded, Store, after, event
from refold.testing import ManualClock
from refold.testing.contract.sample import Deposit, accounts

HOUR = timedelta(hours=1)


@event("order.placed")
class Placed: ...


@event("order.late")
class Late: ...


def react(recorded: Recorded[Placed | Late], seen: int) -> Iterator[Effect]:
    if isinstance(recorded.data, Placed):
        yield after(HOUR, Late())
        yield accounts.send("shop", Deposit(1))


def test_timers_and_messages_that_were_pending_when_a_store_was_copied_are_pending_in_the_copy() -> None:
    clock = ManualClock()
    process: Process[Any, int] = Process("waiting", int, react, lambda seen, _: seen + 1)
    with (
        Store.open("sqlite:///:memory:", clock=clock) as old,
        Store.open("sqlite:///:memory:", events=[Placed, Late], clock=clock) as new,
    ):
        old.append("order-1", [Placed()])
        old.process(process).catch_up()
        old.copy_to(new)
        clock.move(2 * HOUR)
        instances = new.process(process)
        done = instances.catch_up(accounts)
        assert (done.timers, done.commands, new.bind(accounts).state("shop")) == (1, 1, 1)
        assert [(each.id, each.inputs) for each in instances.list()] == [("1", 2)]
        assert instances.catch_up(accounts).inputs == 0
