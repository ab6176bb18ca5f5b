"""A clock that jumps, or time in which nobody runs: no timer comes back before its time, none is lost, all in order of due."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.faults.driving import Driven
from tests.faults.judging import Journal, journals
from tests.faults.planted_sagas import Torn

from refold import Effect, Process, Recorded, Store, after, at, event
from refold._bridge.stepping import run_sync
from refold.flows.processes.journal import TimerSet
from refold.flows.processes.timers import _DUE, _fired, timed
from refold.ports import Backend, Own, Unclaimed
from refold.testing import ManualClock

pytestmark = pytest.mark.guarantee("G23")

HOUR = timedelta(hours=1)
JUMPS = {"back": -2 * HOUR, "ahead": 36 * HOUR}


@event("egg.wanted")
class Wanted:
    minutes: int


@event("egg.wanted-at")
class WantedAt:
    moment: datetime


@event("egg.done")
class Done:
    minutes: int


def react(e: Recorded[Wanted | WantedAt | Done], seen: int) -> Iterator[Effect]:
    """An alarm for each."""
    match e.data:
        case Wanted(minutes):
            yield after(timedelta(minutes=minutes), Done(minutes))
        case WantedAt(moment):
            yield at(moment, Done(0))
        case Done():
            pass


eggs = Process("eggs", int, react, lambda seen, _: seen + 1)


def opened(clock: ManualClock) -> Store:
    """An empty store."""
    return Store.open("sqlite:///:memory:", events=[Wanted, WantedAt], clock=clock)


def work(store: Store) -> None:
    """Do what can be done now."""
    driven = Driven(store._engine.view, store._runtime, [eggs])
    while run_sync(driven.round()):
        pass


def timers_of(journal: Journal) -> list[tuple[datetime, datetime]]:
    """When each timer was due, and when it came back, in the order of that."""
    due = {str(each.id): each.data.due for each in journal if isinstance(each.data, TimerSet)}
    back = [each for each in journal if isinstance(each.data, Done)]
    return [(due[str(each.metadata.causation_id)], each.recorded_at) for each in back]


@pytest.mark.parametrize("jump", JUMPS)
def test_after_a_jump_no_timer_is_early_and_none_is_lost(jump: str) -> None:
    clock = ManualClock()
    with opened(clock) as store:
        for n in range(1, 13):
            store.append("eggs-1", [Wanted(n * 60)])
        work(store)
        clock.move(3 * HOUR)
        work(store)
        clock.move(JUMPS[jump])
        work(store)
        for n in range(1, 4):
            store.append("eggs-1", [Wanted(n)])
        work(store)
        while len(timers_of(journals(store, eggs)["1"])) < 15:
            clock.move(HOUR)
            work(store)
        found = timers_of(journals(store, eggs)["1"])
    assert all(due <= back for due, back in found)
    assert found == sorted(found)


def test_after_downtime_all_that_is_overdue_comes_back_in_the_order_of_being_due() -> None:
    clock = ManualClock()
    start = clock.time
    with opened(clock) as store:
        moments = [start + timedelta(minutes=(7 * n) % 1201) for n in range(1200)]
        for first in (0, 600):
            store.append("eggs-1", [WantedAt(moment) for moment in moments[first : first + 600]])
        work(store)
        clock.move(36 * HOUR)
        work(store)
        found = timers_of(journals(store, eggs)["1"])
    assert [due for due, _ in found] == sorted(moments)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.one_of(st.integers(1, 300), st.integers(-120, 2_160).map(lambda m: timedelta(minutes=m))), max_size=20)
)
def test_however_the_clock_jumps_each_timer_comes_back_once_and_not_early(
    steps: list[int | timedelta],
) -> None:
    clock = ManualClock()
    with opened(clock) as store:
        store.append("eggs-1", [Wanted(1)])
        for step in steps:
            if isinstance(step, int):
                store.append("eggs-1", [Wanted(step)])
            else:
                clock.move(step)
            work(store)
        clock.move(10_000 * HOUR)
        work(store)
        found = timers_of(journals(store, eggs)["1"])
    assert len(found) == 1 + sum(isinstance(step, int) for step in steps)
    assert all(due <= back for due, back in found)


def test_who_still_sees_a_timer_that_has_come_back_is_refused() -> None:
    """As a runner on PostgreSQL does that looked just before another one committed."""
    clock = ManualClock()
    with opened(clock) as store:
        store.append("eggs-1", [Wanted(1), Wanted(2)])
        work(store)
        seen: list[tuple[object, ...]] = []

        class Late(Torn):
            async def query(self, statement: Own) -> Sequence[tuple[object, ...]]:
                seen.extend(await self._backend.query(statement))
                return list(seen)

        clock.move(timedelta(minutes=1))
        due = timed(store._runtime, _DUE, {"process": "eggs", "first": 0, "last": 1023, "limit": 10})
        run_sync(Late(store._engine.view).query(due))
        work(store)
        clock.move(timedelta(minutes=1))
        due = timed(store._runtime, _DUE, {"process": "eggs", "first": 0, "last": 1023, "limit": 10})
        with pytest.raises(Unclaimed):
            store._engine.outside(
                lambda b: b.within(lambda inside: _fired(cast("Backend", Late(inside)), store._runtime, eggs, due))
            )
        work(store)
        assert [due == back for due, back in timers_of(journals(store, eggs)["1"])] == [True, True]
