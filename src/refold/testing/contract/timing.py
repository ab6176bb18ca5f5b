"""Contract: timeouts come back to their instance when they are due, each once, and none that is unwanted. With SQL."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from refold.aio import AsyncStore
from refold.errors import UsageError
from refold.flows.processes.timers import Timer
from refold.messages import Recorded, event
from refold.process import Effect, after, at, cancel
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Place
from refold.testing.contract.ordering import (
    HOUR,
    Declined,
    Overdue,
    Paid,
    Placed,
    ProcessContract,
    State,
    led_to,
    noting,
    payment,
    state_of,
)


def patient(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
    """Waits an hour for a payment."""
    match recorded.data:
        case Placed():
            yield after(HOUR, Overdue())
        case Paid():
            yield cancel(Overdue)
        case _:
            pass


class Timing(ProcessContract):
    """Timers of processes, by a clock that is moved by hand."""

    async def test_a_timeout_comes_back_when_it_is_due_and_not_before(
        self, shop: AsyncStore, clock: ManualClock
    ) -> None:
        instances = shop.process(payment(patient))
        await shop.append("order-1", [Placed()])
        await instances.catch_up()
        ((timer),) = await instances.timers()
        assert timer == Timer(timer.id, "1", "order.overdue", clock.time + HOUR)
        clock.move(HOUR - timedelta(microseconds=1))
        assert (await instances.catch_up()).timers == 0
        clock.move(timedelta(microseconds=1))
        assert (await instances.catch_up()).timers == 1
        assert await state_of(instances) == (Placed(), Overdue())
        assert (await instances.timers(), (await instances.catch_up()).timers) == ((), 0)

    @pytest.mark.guarantee("G15")
    async def test_a_read_model_that_is_kept_inline_has_it_as_soon_as_it_comes_back(
        self, shop: AsyncStore, clock: ManualClock, place: Place
    ) -> None:
        inline = await noting(shop, place, Overdue)
        instances = inline.process(payment(patient))
        await inline.append("order-1", [Placed()])
        await instances.catch_up()
        clock.move(HOUR)
        await instances.catch_up()
        assert await inline.query("select type from noted") == [("order.overdue",)]

    async def test_a_delay_begins_when_its_event_was_recorded(self, shop: AsyncStore, clock: ManualClock) -> None:
        await shop.append("order-1", [Placed()])
        due = clock.time + HOUR
        clock.move(timedelta(minutes=50))
        instances = shop.process(payment(patient))
        await instances.catch_up()
        assert [timer.due for timer in await instances.timers()] == [due]

    async def test_timeouts_come_back_in_the_order_of_being_due(self, shop: AsyncStore, clock: ManualClock) -> None:
        def sets(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
            if isinstance(recorded.data, Placed):
                for hours in (3, 1, 2):
                    yield after(hours * HOUR, Overdue(hours))

        instances = shop.process(payment(sets))
        await shop.append("order-1", [Placed()])
        await instances.catch_up()
        assert [timer.due for timer in await instances.timers("1")] == [clock.time + n * HOUR for n in (1, 2, 3)]
        clock.move(5 * HOUR)
        await instances.catch_up()
        assert await state_of(instances) == (Placed(), Overdue(1), Overdue(2), Overdue(3))

    async def test_a_moment_that_has_passed_comes_back_at_once(self, shop: AsyncStore, clock: ManualClock) -> None:
        moment = clock.time - HOUR

        def sets(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
            if isinstance(recorded.data, Placed):
                yield at(moment, Overdue())

        instances = shop.process(payment(sets))
        await shop.append("order-1", [Placed()])
        await instances.catch_up()
        assert await state_of(instances) == (Placed(), Overdue())

    async def test_a_cancelled_timeout_does_not_come_back(self, shop: AsyncStore, clock: ManualClock) -> None:
        instances = shop.process(payment(patient))
        await shop.append("order-1", [Placed(), Paid()])
        await instances.catch_up()
        clock.move(2 * HOUR)
        assert (await instances.catch_up()).timers == 0
        assert await led_to(instances) == [
            (
                "order.placed",
                ("it began, as one of version 1", "order.overdue is to come back at 2026-01-01 01:00:00"),
            ),
            ("order.paid", ("order.overdue will not come back",)),
        ]

    async def test_nor_does_one_that_was_on_its_way_when_it_was_cancelled_and_that_can_be_seen(
        self, shop: AsyncStore, clock: ManualClock
    ) -> None:
        instances = shop.process(payment(patient))
        await shop.append("order-1", [Placed()])
        await instances.catch_up()
        await shop.append("order-1", [Paid()])
        ((timer),) = await instances.timers()
        await instances.fire(timer.id)  # it stands in the journal, behind the payment that cancels it
        await instances.catch_up()
        assert await state_of(instances) == (Placed(), Paid())
        assert (await led_to(instances))[-1] == ("order.overdue", ("ignored: it is cancelled",))

    async def test_of_two_that_are_due_the_first_may_cancel_the_second(
        self, shop: AsyncStore, clock: ManualClock
    ) -> None:
        def sets(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
            match recorded.data:
                case Placed():
                    yield after(HOUR, Overdue())
                    yield after(2 * HOUR, Declined())
                case Overdue():
                    yield cancel(Declined)
                case _:
                    pass

        instances = shop.process(payment(sets))
        await shop.append("order-1", [Placed()])
        await instances.catch_up()
        clock.move(3 * HOUR)
        assert (await instances.catch_up()).timers == 2
        assert await state_of(instances) == (Placed(), Overdue())
        assert (await led_to(instances))[-1] == ("order.declined", ("ignored: it is cancelled",))

    async def test_a_timer_may_be_set_again_after_it_was_cancelled(self, shop: AsyncStore, clock: ManualClock) -> None:
        def moves(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
            if not isinstance(recorded.data, Overdue):
                yield cancel(Overdue)
                yield after(HOUR, Overdue(len(state)))

        instances = shop.process(payment(moves))
        await shop.append("order-1", [Placed()])
        await instances.catch_up()
        clock.move(HOUR / 2)
        await shop.append("order-1", [Paid(1)])
        await instances.catch_up()
        clock.move(HOUR)
        await instances.catch_up()
        assert await state_of(instances) == (Placed(), Paid(1), Overdue(1))

    async def test_more_than_a_batch_come_back_in_order(self, shop: AsyncStore, clock: ManualClock) -> None:
        def sets(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
            if isinstance(recorded.data, Placed):
                for n in range(600):
                    yield after(timedelta(seconds=n + 1), Overdue(n))

        instances = shop.process(payment(sets))
        await shop.append("order-1", [Placed()])
        await instances.catch_up()
        clock.move(HOUR)
        assert (await instances.catch_up()).timers == 600
        assert await state_of(instances) == (Placed(), *map(Overdue, range(600)))

    async def test_an_operator_lets_one_come_back_now(self, shop: AsyncStore, clock: ManualClock) -> None:
        instances = shop.process(payment(patient))
        await shop.append("order-1", [Placed()])
        await shop.append("order-2", [Placed()])
        await instances.catch_up()
        ((timer),) = await instances.timers("1")
        await instances.fire(timer.id)
        await instances.catch_up()
        assert await state_of(instances, "1") == (Placed(), Overdue())
        assert [each.instance for each in await instances.timers()] == ["2"]
        for gone in (timer.id, UUID(int=0)):
            with pytest.raises(UsageError, match=rf"has no timer {gone}: it came back already, or was cancelled"):
                await instances.fire(gone)

    async def test_a_timeout_that_the_process_does_not_know_parks_its_instance(self, shop: AsyncStore) -> None:
        def sets(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
            yield after(HOUR, Later())

        await shop.append("order-1", [Placed()])
        instances = shop.process(payment(sets))
        await instances.catch_up()
        assert (
            (await instances.show("1"))
            .parked[0]
            .error.startswith(
                "UsageError: process 'payment' lets Later() come back, but does not react to it: name Later in the annotation"
            )
        )


@event("order.later")
class Later:
    """No event of the process."""
