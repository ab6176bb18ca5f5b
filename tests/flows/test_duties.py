"""What a runner does for a process outside the store, where that ends with no verdict, or many ask for it at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.faults.driving import AtOnce

from refold import Breaker, Process, Recorded, Retry, Store, StoreFull, command, effect, event
from refold._bridge.crews import Job
from refold._bridge.stepping import run_sync
from refold.duties import Duties, Receivers
from refold.external import EffectHandler
from refold.flows.processes import performing
from refold.flows.processes.delivering import NOBODY
from refold.process import Effect
from refold.testing import ManualClock

MINUTE = timedelta(minutes=1)


@event("parcel.ordered")
class Ordered:
    number: int


@command("parcel.charge")
class Charge:
    number: int


class Crew(AtOnce):
    """Keeps what is started until it is done, and the pauses that were asked for."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.pauses: list[float] = []

    def start(self, name: str, job: Job) -> None:
        self.jobs.append(job)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def do(self) -> None:
        """Do what was started, one after the other."""
        while self.jobs:
            run_sync(self.jobs.pop(0)())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Iterator[Store]:
    with Store.open("sqlite:///:memory:", events=[Ordered], clock=clock) as store:
        yield store


def asking(charge: EffectHandler[Charge]) -> Process[Any, int]:
    """A process that asks for an effect."""

    def react(recorded: Recorded[Ordered], state: int) -> Iterator[Effect]:
        yield charge.send(Charge(recorded.data.number))

    return Process("asking", int, react, lambda state, _: state + 1)


def on_duty(store: Store, clock: ManualClock, crew: Crew, charge: EffectHandler[Charge], instances: int = 1) -> Duties:
    """The duties for a process that has just asked for an effect, in so many instances."""
    process = asking(charge)
    for number in range(instances):
        store.append(f"parcel-{number}", [Ordered(number)])
    store.process(process).catch_up()
    clock.move(NOBODY)
    return Duties(store._engine.view, store._runtime, crew, process, Receivers.of([charge]), (0, 1023))


def test_an_effect_of_which_nothing_could_be_told_is_not_done_again_at_once(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk is full: what is to be done can still be read."""
    calls: list[str] = []

    @effect("charge")
    def charge(request: Charge, key: str) -> None:
        calls.append(key)

    async def full(*_: object) -> None:
        raise StoreFull("the disk is full")

    class Impatient(Crew):
        async def pause(self, seconds: float) -> None:
            await super().pause(seconds)
            assert await runner.once() == 0  # while it rests, nobody does it

    crew = Impatient()
    runner = on_duty(store, clock, crew, charge)
    with monkeypatch.context() as patch:
        patch.setattr(performing, "settle", full)
        run_sync(runner.once())
        crew.do()
    assert (len(calls), crew.pauses, crew.jobs) == (1, [5.0], [])
    run_sync(runner.once())
    crew.do()
    assert (len(calls), len(set(calls)), run_sync(runner.once())) == (2, 1, 0)


def test_nor_is_one_that_was_cut_off(store: Store, clock: ManualClock) -> None:
    calls: list[str] = []

    @effect("charge")
    def charge(request: Charge, key: str) -> None:
        calls.append(key)
        raise KeyboardInterrupt

    crew = Crew()
    runner = on_duty(store, clock, crew, charge)
    run_sync(runner.once())
    with pytest.raises(KeyboardInterrupt):
        crew.do()
    assert (run_sync(runner.once()), crew.jobs, len(calls)) == (0, [], 1)


def test_after_a_pause_one_attempt_tells_and_the_others_wait_for_it(store: Store, clock: ManualClock) -> None:
    calls: list[int] = []

    @effect("charge", retry=Retry(9, NOBODY, NOBODY), breaker=Breaker(1, MINUTE))
    def charge(request: Charge, key: str) -> None:
        calls.append(request.number)
        if len(calls) > 1:
            crew.do()  # all others, while this one is under way
        if len(calls) < 3:
            raise OSError(f"away {len(calls)}")

    class Timed(Crew):
        def now(self) -> float:
            return clock.now() / 1e6

    def done(wait: timedelta) -> tuple[int, set[str]]:
        before = len(calls)
        clock.move(wait)
        run_sync(runner.once())
        crew.do()
        left = store.process(process).outgoing()
        return len(calls) - before, {each.error.split(", ")[-1] for each in left}

    crew, process = Timed(), asking(charge)
    runner = on_duty(store, clock, crew, charge, instances=4)
    left_alone = "and is left alone for a while: OSError: away"
    assert done(timedelta()) == (1, {"OSError: away 1", f"{left_alone} 1"})
    assert done(MINUTE) == (1, {"OSError: away 2", f"{left_alone} 1"})
    assert done(MINUTE) == (1, {f"{left_alone} 2"})
    assert done(NOBODY) == (3, set())
