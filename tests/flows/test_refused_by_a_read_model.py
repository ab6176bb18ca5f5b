"""What processes send out, and their timeouts, where a read model that is kept inline refuses what comes back of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from refold import (
    Decider,
    Declined,
    Process,
    Projection,
    ProjectionStopped,
    Recorded,
    Retry,
    Saga,
    Statement,
    Store,
    StoreError,
    UsageError,
    command,
    effect,
    event,
    sql,
)
from refold.external import EffectHandler
from refold.flows.prepare import Cause, prepare
from refold.flows.processes import delivering
from refold.flows.processes.journal import Delivered, Parked, Refused
from refold.flows.processes.writing import claimed, written
from refold.flows.taking import take
from refold.messages import NewEvent
from refold.ports import Append, Unclaimed, Write
from refold.process import Effect, after
from refold.testing.clock import ManualClock

MINUTE = timedelta(minutes=1)


@event("parcel.ordered")
class Ordered:
    number: int


@event("parcel.charged")
class Charged:
    number: int


@event("parcel.overdue")
class Overdue:
    number: int


@event("parcel.given-up")
class GivenUp:
    number: int


@command("parcel.charge")
class Charge:
    number: int


refusing = Projection("refusing", schema="create table refusing (number integer not null)")
"""It refuses whatever has the number two."""


def note(event: Recorded[Any]) -> Iterator[Statement]:
    if event.data.number == 2:
        raise ValueError("two")
    yield sql("insert into refusing values (:number)", number=event.data.number)


for cls in (Charged, Overdue, GivenUp):
    refusing.on(cls)(note)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Iterator[Store]:
    with Store.open("sqlite:///:memory:", events=[Ordered, Charged, Overdue, GivenUp], clock=clock) as store:
        yield store.inline(refusing)


def charging(calls: list[str], retry: Retry) -> EffectHandler[Charge]:
    @effect("charge", retry=retry)
    def charge(request: Charge, key: str) -> Charged:
        calls.append(key)
        return Charged(request.number)

    return charge


def paying(charge: EffectHandler[Charge], *, otherwise: int = 0) -> Process[Any, int]:
    def react(recorded: Recorded[Any], state: int) -> Iterator[Effect]:
        if isinstance(recorded.data, Ordered):
            call = charge.send(Charge(recorded.data.number))
            yield call.otherwise(GivenUp(otherwise)) if otherwise else call

    return Process("paying", int, react, lambda state, _: state + 1, events=(Ordered, Charged, GivenUp))


@pytest.mark.parametrize("otherwise", [0, 3, 2], ids=["none", "what would come back", "which is refused too"])
def test_an_effect_whose_answer_is_refused_is_tried_as_often_as_it_may_be_and_then_parked(
    store: Store, clock: ManualClock, otherwise: int
) -> None:
    calls: list[str] = []
    charge = charging(calls, Retry(2, first=MINUTE))
    instances = store.process(paying(charge, otherwise=otherwise))
    store.append("parcel-1", [Ordered(2)])
    instances.catch_up(charge)
    (message,) = instances.outgoing()
    assert (len(calls), message.state, message.attempts) == (1, "pending", 1)
    assert message.error == "UsageError: a read model that is kept inline refused it: ValueError: two"
    for _ in range(3):
        clock.move(MINUTE)
        instances.catch_up(charge)
    (message,) = instances.outgoing()
    assert (len(calls), len(set(calls)), message.state, message.attempts) == (2, 1, "parked", 2)


def test_what_cannot_even_be_parked_is_tried_again_only_after_a_while(clock: ManualClock) -> None:
    picky = Projection("picky", schema="create table picky (id text)")

    def refuse(_: Recorded[Any]) -> Iterator[Statement]:
        raise ValueError("whatever it is")

    for cls in (Parked, Delivered, Refused):
        picky.on(cls)(refuse)
    calls: list[str] = []
    charge = charging(calls, Retry(1))
    with Store.open("sqlite:///:memory:", events=[Ordered, Charged], clock=clock) as plain:
        instances = plain.inline(picky).process(paying(charge))
        plain.append("parcel-1", [Ordered(1)])
        for _ in range(3):
            instances.catch_up(charge)
        assert ([(each.state, each.attempts) for each in instances.outgoing()], len(calls)) == ([("pending", 1)], 1)


@pytest.mark.parametrize("declines", [False, True], ids=["done", "declined"])
def test_a_step_of_a_saga_of_which_nothing_can_be_told_is_parked(clock: ManualClock, declines: bool) -> None:
    picky = Projection("picky", schema="create table picky (id text)")
    calls: list[str] = []

    def refuse(_: Recorded[Any]) -> Iterator[Statement]:
        raise ValueError("whatever it is")

    for cls in (Delivered, Refused):
        picky.on(cls)(refuse)

    def ship(order: Ordered, key: str) -> None:
        calls.append(key)
        if declines:
            raise Declined("nobody is at home")

    shipping = Saga("shipping", Ordered).step(ship, retry=Retry(1))
    with Store.open("sqlite:///:memory:", events=[Ordered], clock=clock) as plain:
        instances = plain.inline(picky).process(shipping)
        plain.append("parcel-1", [Ordered(1)])
        for _ in range(2):
            instances.catch_up()
        assert ([(each.state, each.attempts) for each in instances.outgoing()], len(calls)) == ([("parked", 1)], 1)


def test_a_command_whose_delivery_is_refused_is_parked_and_the_others_are_delivered(clock: ManualClock) -> None:
    picky = Projection("picky", schema="create table picky (id text)")

    @picky.on(Delivered)
    def refuse(event: Recorded[Delivered]) -> Iterator[Statement]:
        if event.stream.id == "2":
            raise ValueError("two")
        yield sql("insert into picky values (:id)", id=event.stream.id)

    def decide(charge: Charge, _: int) -> Iterator[Charged]:
        yield Charged(charge.number)

    def evolve(state: int, _: Charged) -> int:
        return state + 1

    card = Decider("card", initial=int, decide=decide, evolve=evolve)

    def react(recorded: Recorded[Ordered], state: int) -> Iterator[Effect]:
        yield card.send(recorded.stream.id, Charge(recorded.data.number))

    sending = Process[Any, int]("sending", int, react, lambda state, _: state + 1, retry=Retry(1))
    with Store.open("sqlite:///:memory:", events=[Ordered, Charged], clock=clock) as plain:
        inline = plain.inline(picky)
        for id in "123":
            inline.append(f"parcel-{id}", [Ordered(1)])
        instances = inline.process(sending)
        instances.catch_up(card)
        assert [(each.instance, each.state) for each in instances.outgoing()] == [("2", "parked")]
        assert inline.query("select id from picky order by id") == [("1",), ("3",)]


def test_a_command_waits_for_a_read_model_that_is_paused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def decide(charge: Charge, _: int) -> Iterator[Charged]:
        yield Charged(charge.number)

    def react(recorded: Recorded[Ordered], state: int) -> Iterator[Effect]:
        yield card.send(recorded.stream.id, Charge(recorded.data.number))

    def counted(state: int, _: Ordered | Charged) -> int:
        return state + 1

    card = Decider("card", initial=int, decide=decide, evolve=counted)
    stopped = [ProjectionStopped("refusing", "paused", "looked at", 1)]

    async def taken(*args: Any) -> Any:
        if stopped:
            raise stopped.pop()
        return await take(*args)

    monkeypatch.setattr(delivering, "take", taken)
    store.append("parcel-1", [Ordered(1)])
    instances = store.process(Process[Any, int]("sending", int, react, counted, retry=Retry(1)))
    with pytest.raises(StoreError, match="looked at"):
        instances.catch_up(card)
    assert [each.state for each in instances.outgoing()] == ["pending"]
    assert (instances.catch_up(card).commands, list(instances.outgoing())) == (1, [])


def waiting() -> Process[Any, tuple[int, ...]]:
    def react(recorded: Recorded[Any], state: tuple[int, ...]) -> Iterator[Effect]:
        if isinstance(recorded.data, Ordered):
            yield after(MINUTE, Overdue(recorded.data.number))

    return Process("waiting", tuple, react, lambda state, one: (*state, one.number), events=(Ordered, Overdue))


def test_a_timeout_that_is_refused_is_put_off_and_the_others_come_back(store: Store, clock: ManualClock) -> None:
    instances = store.process(waiting())
    for number in (1, 2, 3):
        store.append(f"parcel-{number}", [Ordered(number)])
    instances.catch_up()
    clock.move(MINUTE)
    caught = instances.catch_up()
    assert (caught.timers, caught.parked) == (2, 1)
    assert store.query("select number from refusing order by number") == [(1,), (3,)]
    assert [(each.instance, each.due) for each in instances.timers()] == [("2", clock.time + MINUTE)]


def test_an_operator_is_told_why_a_timeout_does_not_come_back(store: Store) -> None:
    instances = store.process(waiting())
    store.append("parcel-1", [Ordered(2)])
    instances.catch_up()
    (timer,) = instances.timers()
    with pytest.raises(
        UsageError, match="does not come back: a read model that is kept inline refused it: ValueError: two"
    ):
        instances.fire(timer.id)


def test_nothing_is_said_of_a_read_model_where_none_is_kept_inline(monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open("sqlite:///:memory:", events=[Ordered]) as plain:
        runtime = plain._runtime

        async def refused(*_: object) -> None:
            raise ValueError("two")

        monkeypatch.setattr("refold.flows.processes.writing.commit", refused)
        with pytest.raises(UsageError, match=r"^ValueError: two$"):
            plain._engine.outside(lambda b: written(b, runtime, Append((), 0)))


def test_what_somebody_else_has_done_is_not_claimed_again() -> None:
    with Store.open("sqlite:///:memory:", events=[Ordered]) as plain:
        runtime, id = plain._runtime, uuid4()

        def claim(number: int) -> None:
            rows = prepare(runtime, [NewEvent(Ordered(number), id=id)], Cause(None, None, None, {}))
            plain._engine.outside(lambda b: claimed(b, runtime, Append((Write("parcel-1", rows),), 0)))

        claim(1)
        with pytest.raises(Unclaimed):
            claim(2)
