"""Schedules whose runners are killed: many set, some taken back, and what was sent, and when, in the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from msgspec import Struct
from tests.faults.processes import DEADLINE, Process, until

from refold import Store, schedules
from refold.testing.contract.sample import EVENTS, Deposit, accounts

RUNNERS: Final = 3
APART: Final = timedelta(milliseconds=40)
LEASE: Final = 0.4
TAKEN_BACK: Final = 10
"""One of so many is taken back before its time, twice."""


class Scheduled(Struct, frozen=True):
    """What became of so many timers."""

    set: int
    taken_back: int
    sent: int
    kills: int
    wrong: Sequence[str]


def schedule_loop(url: str, count: int, kills: int, seed: int) -> Scheduled:
    """Set so many, take some back, kill runners while they are due, and compare what was sent with what was wanted."""
    with Store.open(url, events=EVENTS) as store:
        planned, back = _planned(store, count)
        _kill(url, kills, Random(seed))  # noqa: S311 - a scenario, no secret
        with Process(run, url=url):
            until(
                "all were sent",
                lambda: not store.schedules() and not store.process(schedules).outgoing(),
                DEADLINE + count,
            )
        sent = [(event.data.amount, event.recorded_at) for event in store.read(category="account")]
    return Scheduled(count, len(back), len(sent), kills, list(_wrong(planned, back, sent)))


def _planned(store: Store, count: int) -> tuple[Mapping[int, datetime], set[int]]:
    """One command at a time: the first ones are due while the last ones are still set."""
    start = datetime.now(UTC) + timedelta(seconds=0.5)
    planned = {number: start + number * APART for number in range(1, count + 1)}
    back = set[int]()
    for number, moment in planned.items():
        due = datetime.now(UTC) + timedelta(hours=1) if number % TAKEN_BACK == 0 else moment
        store.schedule(f"s{number}", send=accounts.send(str(number % 7), Deposit(number)), at=due)
        if number % TAKEN_BACK == 0 and (store.unschedule(f"s{number}"), store.unschedule(f"s{number}")) == (
            True,
            False,
        ):
            back.add(number)
    return planned, back


def _kill(url: str, kills: int, random: Random) -> None:
    with ExitStack() as left:
        running = [left.enter_context(Process(run, url=url)) for _ in range(RUNNERS)]
        for _ in range(kills):
            time.sleep(random.uniform(0.05, 0.5))  # the moment of a kill is chance; nothing is waited for
            victim = random.randrange(RUNNERS)
            running[victim].kill()
            running[victim] = left.enter_context(Process(run, url=url))


def _wrong(planned: Mapping[int, datetime], back: set[int], sent: Sequence[tuple[int, datetime]]) -> Sequence[str]:
    times = Counter(number for number, _ in sent)
    wanted = set(planned) - back
    wrong = [f"{number} was taken back and sent" for number in sorted(back & set(times))]
    wrong += [f"{number} was never sent" for number in sorted(wanted - set(times))]
    wrong += [f"{number} was sent {count} times" for number, count in times.items() if count > 1]
    wrong += [f"{number} was sent at {at}, before {planned[number]}" for number, at in sent if at < planned[number]]
    taken_back = [number for number in planned if number % TAKEN_BACK == 0]
    return [*wrong, *(f"{number} was not taken back once" for number in taken_back if number not in back)]


def run(url: str) -> None:
    """Send what is due until it is killed."""
    with Store.open(url) as store, store.run(schedules, accounts, lease=timedelta(seconds=LEASE)):
        while True:
            time.sleep(1)
