"""A process whose timeout or beginning has another name now: what was stored under the earlier one is known as the same."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from refold import Effect, Process, Recorded, Store, after, cancel, event, move
from refold.testing import ManualClock

HOUR = timedelta(hours=1)


@event("order.placed")
class Placed: ...


@event("order.paid")
class Paid: ...


@event("order.late")
class Late: ...


@event("order.overdue", upcasters=(move("order.late", to="order.overdue"),))
class Overdue: ...


def payment(timeout: type[Any], begins: tuple[type[Any], ...] = ()) -> Process[Any, int]:
    """Waits an hour for a payment; the timeout has this class."""

    def react(recorded: Recorded[Any], seen: int) -> Iterable[Effect]:
        match recorded.data:
            case Placed():
                yield after(HOUR, timeout())
            case Paid():
                yield cancel(timeout)
            case _:
                pass

    events = (Placed, Paid, timeout)
    return Process("payment", int, react, lambda seen, _: seen + 1, events=events, starts_on=begins)


def test_a_timer_that_was_set_under_an_earlier_name_is_cancelled(tmp_path: Path) -> None:
    clock, url = ManualClock(), f"sqlite:///{tmp_path}/shop.db"
    with Store.open(url, clock=clock) as store:
        store.append("order-1", [Placed()])
        store.process(payment(Late)).catch_up()
    with Store.open(url, clock=clock) as store:
        instances = store.process(payment(Overdue))
        assert [timer.type for timer in instances.timers()] == ["order.late"]
        store.append("order-1", [Paid()])
        instances.catch_up()
        assert instances.timers() == ()
        clock.move(2 * HOUR)
        instances.catch_up()
        assert instances.show("1").state == 2


def test_timers_of_other_classes_stay(tmp_path: Path) -> None:
    clock, url = ManualClock(), f"sqlite:///{tmp_path}/shop.db"
    with Store.open(url, clock=clock) as store:
        store.append("order-1", [Placed()])
        store.process(payment(Late)).catch_up()
        store.append("order-1", [Paid()])

        def react(recorded: Recorded[Any], seen: int) -> Iterable[Effect]:
            yield cancel(Paid)

        instances = store.process(Process("payment", int, react, lambda seen, _: seen + 1, events=(Placed, Paid, Late)))
        instances.catch_up()
        assert [timer.type for timer in instances.timers()] == ["order.late"]


def test_an_instance_that_was_begun_under_an_earlier_name_is_not_begun_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    with Store.open(url) as store:
        begun = store.process(payment(Late, (Late,))).start("1", Late())
    with Store.open(url) as store:
        again = store.process(payment(Overdue, (Overdue,))).start("1", Overdue())
        assert (again.ids, again.repeated) == (begun.ids, True)
