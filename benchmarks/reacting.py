"""Processes at work: inputs taken in, commands that have their effect, steps of sagas, timers that come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from benchmarks.measuring import Clock
from benchmarks.rounds import Work, rate
from benchmarks.subject import DEPOSITED, Deposit, Deposited, accounts
from refold import NO_STREAM, Effect, Process, Recorded, Saga, Store, StreamWrite, after, event
from refold.testing import ManualClock

STEPS = 3
DAY = timedelta(days=1)


@event("reminder.rang")
class Rang: ...


def _count(seen: int, event: Deposited) -> int:
    return seen + 1


def _nothing(event: Recorded[Deposited], seen: int) -> Iterator[Effect]:
    yield from ()


def _pay(event: Recorded[Deposited], seen: int) -> Iterator[Effect]:
    if event.stream.category == "order":
        yield accounts.send(event.stream.id, Deposit(1))


def _remind(event: Recorded[Deposited | Rang], seen: int) -> Iterator[Effect]:
    if isinstance(event.data, Deposited):
        yield after(DAY, Rang())


def _done(event: Deposited, key: str) -> None:
    """A step that does nothing."""


watching = Process("watching", int, _nothing, _count)
paying = Process("paying", int, _pay, _count)
reminding = Process("reminding", int, _remind, lambda seen, event: seen + isinstance(event, Rang))
stepping = Saga("stepping", Deposited)
for _number in range(STEPS):
    stepping = stepping.step(_done, name=f"step-{_number}")


def _orders(store: Store, count: int) -> None:
    for first in range(0, count, 500):
        numbers = range(first, min(count, first + 500))
        store.append_all([StreamWrite(f"order-{each}", [DEPOSITED], NO_STREAM) for each in numbers])


def inputs(url: str, clock: Clock, count: int) -> int:
    """Each event is an input of an instance of its own, to which nothing follows."""
    with Store.open(url, events=[Deposited]) as store:
        _orders(store, count)
        with clock.running():
            done = store.process(watching).catch_up()
        assert done.inputs == count, f"{done.inputs} of {count} inputs were taken in"
    return count


def commands(url: str, clock: Clock, count: int) -> int:
    """Each event leads to a command, which has its effect once."""
    with Store.open(url, events=[Deposited]) as store:
        _orders(store, count)
        with clock.running():
            store.process(paying).catch_up(accounts)
        effects = [(event.stream.id, event.version) for event in store.read(category="account")]
        assert sorted(effects) == sorted((str(number), 1) for number in range(count)), "a command was lost or doubled"
    return count


def steps(url: str, clock: Clock, count: int) -> int:
    """Each event begins a saga of three steps."""
    with Store.open(url, events=[Deposited]) as store:
        _orders(store, count)
        with clock.running():
            store.process(stepping).catch_up()
        ended = [each.state for each in store.process(stepping).list(limit=count + 1)]
        assert ended == ["finished"] * count, "a saga is not finished"
    return count * STEPS


def timers(url: str, clock: Clock, count: int) -> int:
    """Each event sets a timer; all are due, and come back."""
    moved = ManualClock(datetime.now(UTC))
    with Store.open(url, events=[Deposited, Rang], clock=moved) as store:
        _orders(store, count)
        store.process(reminding).catch_up()
        moved.move(2 * DAY)
        with clock.running():
            store.process(reminding).catch_up()
        rang = [each for each in store.read(category="$process.reminding") if isinstance(each.data, Rang)]
        assert len(rang) == count, f"{len(rang)} of {count} timers came back"
    return count


def reactions(store: str) -> Sequence[Work]:
    """The rows of one store. Nobody else does quite this, so they stand alone."""
    return (
        Work(
            "process/inputs",
            "a process takes in events",
            store,
            100,
            5_000,
            [rate("inputs")],
            inputs,
            verdict="every input was taken in, once",
        ),
        Work(
            "process/commands",
            "a process sends commands",
            store,
            50,
            3_000,
            [rate("commands")],
            commands,
            verdict="every command had its effect, once",
        ),
        Work(
            "process/steps",
            "sagas take steps",
            store,
            30,
            2_000,
            [rate("steps")],
            steps,
            verdict="every saga has finished",
        ),
        Work(
            "process/timers",
            "timers come back",
            store,
            50,
            3_000,
            [rate("timers")],
            timers,
            verdict="every timer came back, once",
        ),
    )
