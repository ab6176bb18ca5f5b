"""G23: timers are never lost and never early, and each has its effect once.

Schedules are due while their runners are killed, and one of ten is taken back, twice. And a clock jumps two hours back, and a
day and a half ahead, again and again, while timers are set: each comes back once, and not before its time.
"""

from __future__ import annotations

from random import Random

import pytest
from tests.faults.alarms import HOUR, JUMPS, Wanted, eggs, opened, timers_of, work
from tests.faults.judging import journals
from tests.faults.scheduled import schedule_loop
from tests.guarantees.seeding import named, seeded
from tests.guarantees.telling import tell

from refold.testing import ManualClock

pytestmark = [pytest.mark.guarantee("G23")]
PANS, AT_ONCE = 50, 5
"""So many instances share the timers; so many are set by one append."""


def kill(url: str, timers: int, kills: int) -> None:
    seed = seeded()
    found = schedule_loop(url, timers, kills, seed)
    back, wrong = found.taken_back, len(found.wrong)
    tell("G23", named(url), timers=timers, taken_back=back, sent=found.sent, kills=kills, wrong=wrong, seed=seed)
    assert (found.wrong, found.sent, back) == ([], timers - back, timers // 10)


@pytest.mark.guarantee("G15")
def test_scheduled_commands_are_sent_once_whoever_is_killed(url: str) -> None:
    kill(url, 100, 10)


@pytest.mark.long
@pytest.mark.guarantee("G15")
def test_ten_thousand_scheduled_commands_are_sent_once_whoever_is_killed(url: str) -> None:
    kill(url, 10_000, 1_000)


def jump(url: str, timers: int) -> None:
    seed, clock = seeded(), ManualClock()
    random, jumps = Random(seed), 0  # noqa: S311 - the same each time for a seed
    with opened(clock, url) as store:
        for number in range(0, timers, AT_ONCE):
            wanted = [Wanted(random.randrange(1, 2_400)) for _ in range(min(AT_ONCE, timers - number))]
            store.append(f"eggs-{random.randrange(PANS)}", wanted)
            work(store)
            if random.random() < 0.5:
                clock.move(random.choice([*JUMPS.values(), HOUR, 5 * HOUR]))
                jumps += 1
                work(store)
        clock.move(100 * HOUR)
        work(store)
        found = [timers_of(journal) for journal in journals(store, eggs).values()]
    back, early = sum(map(len, found)), sum(due > came for each in found for due, came in each)
    tell("G23", named(url), timers=timers, came_back=back, early=early, jumps=jumps, seed=seed)
    assert (back, early) == (timers, 0)


def test_however_the_clock_jumps_each_timer_comes_back_once_and_not_early(url: str) -> None:
    jump(url, 200)


@pytest.mark.long
def test_however_the_clock_jumps_each_of_ten_thousand_timers_comes_back_once_and_not_early(url: str) -> None:
    jump(url, 10_000)
