"""A clock that jumps, or time in which nobody runs: no timer comes back before its time, none is lost, all in order of due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import cast

import pytest
from tests.faults.alarms import HOUR, JUMPS, Wanted, WantedAt, eggs, opened, timers_of, work
from tests.faults.judging import journals
from tests.faults.planted_sagas import Torn

from refold._bridge.stepping import run_sync
from refold.flows.processes.timers import _DUE, _fired_due, timed
from refold.ports import Backend, Own, Unclaimed
from refold.testing import ManualClock

pytestmark = pytest.mark.guarantee("G23")


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
    assert list(found) == sorted(found)


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
                lambda b: b.within(lambda inside: _fired_due(cast("Backend", Late(inside)), store._runtime, eggs, due))
            )
        work(store)
        assert [due == back for due, back in timers_of(journals(store, eggs)["1"])] == [True, True]
