"""Laws of processes: the index is a function of the journals, and an instance of its inputs, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeAlias

from hypothesis import example, given, settings
from hypothesis import strategies as st

from refold import Instances, NoSuchInstance, Process, Recorded, Retry, Store, UsageError, effect
from refold.fold import Send
from refold.ports import Backend, Own, Rows
from refold.process import Effect, after, cancel, fail, finish
from refold.testing import ManualClock
from refold.testing.contract.ordering import ORDERS, Charge, Charged, Declined, Overdue, Paid, Placed, State, remembered
from refold.testing.contract.sample import Deposit, Withdraw, accounts

SECOND: Final = timedelta(seconds=1)
IDS: Final = "abc"


@effect("card.charge", retry=Retry(2, SECOND))
def charge(request: Charge, key: str) -> Charged:
    """Takes even sums only."""
    if request.cents % 2:
        raise ConnectionError(key)
    return Charged(key)


def react(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
    """Does a little of everything, as the number of cents says."""
    match recorded.data:
        case Placed(cents):
            yield from PLANS[cents % len(PLANS)](recorded.stream.id, cents)
        case Paid(cents) if cents % 5 == 4:
            raise ZeroDivisionError
        case Paid():
            yield cancel(Overdue)
        case Overdue(nth) if nth % 3 == 2:
            yield fail("too late")
        case _:
            pass


Plan: TypeAlias = Callable[[str, int], Iterable[Effect]]
PLANS: Final[tuple[Plan, ...]] = (
    lambda who, cents: (after(cents * SECOND, Overdue(cents)), after(SECOND, Overdue(0))),
    lambda who, cents: (accounts.send(who, Deposit(cents)), charge.send(Charge(cents))),
    lambda who, cents: (_withdrawn(who, cents),),
    lambda who, cents: (_withdrawn(who, cents).otherwise(Declined()), after(SECOND, Overdue(2))),
    lambda who, cents: (charge.send(Charge(cents)).otherwise(Declined()), cancel(Overdue)),
    lambda who, cents: (accounts.send(who, Deposit(1)), finish()),
)


def _withdrawn(id: str, cents: int) -> Send:
    return accounts.send(id, Withdraw(cents))


def process(name: str = "payment") -> Process[Any, State]:
    return Process(name, tuple[object, ...], react, remembered, events=ORDERS, retry=Retry(2, SECOND))


# What may happen -----------------------------------------------------------------------------------------------------


Step: TypeAlias = tuple[str, str, int]
steps = st.lists(
    st.tuples(
        st.sampled_from((
            "place", "place", "pay", "wait", "run", "run", "run_alone", "cancel", "retry", "skip", "signal", "fire", "other",
        )),
        st.sampled_from(IDS),
        st.integers(0, 11),
    ),
    max_size=30,
)  # fmt: skip


def happen(store: Store, clock: ManualClock, step: Step) -> None:
    what, id, n = step
    instances = store.process(process())
    with suppress(NoSuchInstance, UsageError):  # there is nothing to do that to
        DONE[what](store, clock, instances, id, n)


def _fire(instances: Instances) -> None:
    for timer in instances.timers()[:1]:
        instances.fire(timer.id)


DONE: Final[dict[str, Callable[[Store, ManualClock, Instances, str, int], object]]] = {
    "place": lambda store, _clock, _instances, who, n: store.append(f"order-{who}", [Placed(n)]),
    "pay": lambda store, _clock, _instances, who, n: store.append(f"order-{who}", [Paid(n)]),
    "wait": lambda _store, clock, _instances, _id, n: clock.move(n * SECOND),
    "run": lambda _store, _clock, instances, _id, _n: instances.catch_up(accounts, charge),
    "run_alone": lambda _store, _clock, instances, _id, _n: instances.catch_up(),
    "cancel": lambda _store, _clock, instances, who, _n: instances.cancel(who, "why"),
    "retry": lambda _store, _clock, instances, who, _n: instances.retry(who, "why"),
    "skip": lambda _store, _clock, instances, who, _n: instances.skip(who, "why"),
    "signal": lambda _store, _clock, instances, who, n: instances.signal(who, Paid(n)),
    "fire": lambda _store, _clock, instances, _id, _n: _fire(instances),
    "other": lambda store, _clock, _instances, _id, _n: store.process(process("other")).catch_up(accounts, charge),
}


def index(store: Store) -> object:
    """All that the index holds."""
    texts = [f"select * from {{refold}}{table} order by 1, 2" for table in ("processes", "timers", "outgoing")]  # noqa: S608
    return [store._engine.outside(partial(_rows, text=text)) for text in texts]


async def _rows(backend: Backend, text: str) -> Rows:
    return await backend.query(Own(text, {}))


def after_all(program: Iterable[Step]) -> Iterator[Store]:
    """The store after each step."""
    clock = ManualClock()
    with Store.open("sqlite:///:memory:", events=ORDERS, clock=clock) as store:
        for step in program:
            happen(store, clock, step)
            yield store


# The laws ------------------------------------------------------------------------------------------------------------


RUN: Final[Step] = "run", "a", 0
PARKED_TWICE: Final[list[Step]] = [
    ("place", "b", 2), RUN, ("wait", "a", 1), RUN, ("retry", "b", 0), RUN, ("wait", "a", 1), RUN,
]  # fmt: skip
CAME_BACK: Final[list[Step]] = [("place", "a", 6), RUN, ("fire", "a", 0), ("pay", "a", 1), RUN]


@given(steps)
@example(PARKED_TWICE)
@example(CAME_BACK)
@settings(max_examples=150)
def test_the_index_made_again_is_the_index_that_there_was(program: list[Step]) -> None:
    for store in after_all(program):
        before = index(store)
        for name in ("payment", "other"):
            store.process(process(name)).reindex()
        assert index(store) == before


@given(steps)
@settings(max_examples=100)
def test_all_instances_tell_the_state_that_their_inputs_give(program: list[Step]) -> None:
    for store in after_all([*program, ("run", "a", 0)]):
        instances = store.process(process())
        for status in instances.list():
            if status.state == "unbegun":
                continue
            view = instances.show(status.id)
            taken = tuple(each.data for each in view.history if each.data is not None and not _is_ignored(each.led_to))
            assert (view.state, len(view.state), view.status) == (taken, status.inputs, status.state)
            assert {timer.instance for timer in view.timers} <= ({status.id} if status.state == "running" else set())


def _is_ignored(led_to: tuple[str, ...]) -> bool:
    return any(each.startswith("ignored") for each in led_to)


def test_such_programs_come_to_all_that_an_index_can_hold() -> None:
    """So the laws are about something."""
    program: list[Step] = [
        ("place", "a", 6), ("place", "b", 2), ("place", "b", 7), ("place", "c", 5), ("run", "a", 0), ("wait", "a", 1),
        ("run", "a", 0), ("retry", "b", 0),
    ]  # fmt: skip
    seen: set[tuple[str, str]] = set()
    for store in after_all(program):
        instances = store.process(process())
        seen |= {("instance", each.state) for each in instances.list()}
        seen |= {("message", each.state) for each in instances.outgoing()}
        seen |= {("timer", each.type) for each in instances.timers()}
    assert seen == {
        ("instance", "running"), ("instance", "finished"), ("message", "pending"), ("message", "parked"),
        ("timer", "order.overdue"),
    }  # fmt: skip
