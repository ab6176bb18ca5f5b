"""Runners of sagas and processes, killed and stopped at random moments, and what is so when the last ones are done."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from itertools import islice
from random import Random
from typing import Any, Final, TypeAlias

from msgspec import Struct
from tests.faults.checkout import EVENTS, Approved, order, parts
from tests.faults.judging import contradictions, own
from tests.faults.killing import FACES, LEASE, told_once, waits_for_work
from tests.faults.outside import Outside
from tests.faults.processes import DEADLINE, Process, until

from refold import AsyncStore, OutcomeUnknown, Retry, Store, StoreError
from refold.duties import Runs
from refold.flows.processes import performing
from refold.runner import Observe

FLAKY: Final = 0.2
KINDS: Final = "plain", "plain", "plain", "ask", "late", "rare", "poor", "dumb", "torn", "ask", "lost", "mean"
Judge: TypeAlias = Callable[[Store, Sequence[Runs], Outside], Sequence[str]]
"""Says what is wrong in the end."""
_LEFT: Final = """
select (select count(*) from {refold}timers), (select count(*) from {refold}outgoing where state = 'pending'),
  (select count(*) from {refold}processes p where state = 'running' and not exists (
    select 1 from {refold}outgoing o where o.process = p.process and o.instance = p.instance and o.state = 'parked')),
  (select count(*) from {refold}processes)"""


_BY_STATE: Final = "select state, count(*) from {refold}processes group by state"


class Killed(Struct, frozen=True):
    """What a kill loop did. `at_work`: so many were killed after they had taken something in; `stopped`: past their lease."""

    seed: int
    sagas: int
    kills: int
    at_work: int
    stopped: int
    states: str
    compensated: int
    parked: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.sagas} sagas and as many processes, {self.kills} runners killed, {self.at_work} of them at work, "
            f"{self.stopped} stopped past their lease, in {self.seconds:.1f} s (seed {self.seed}): {self.states}"
        )


def kill_loop(
    url: str,
    sagas: int,
    kills: int,
    seed: int,
    *,
    runners: int = 3,
    kinds: Sequence[str] = KINDS,
    judge: Judge = contradictions,
) -> Killed:
    """Place orders and kill runners; let others finish the work; and judge all that is there."""
    random, started = Random(seed), time.monotonic()  # noqa: S311 - the same each time for a seed
    with tempfile.TemporaryDirectory() as folder, Store.open(url, events=EVENTS) as store, ExitStack() as left:
        outside, orders = f"{folder}/outside.db", _orders(sagas, kinds)
        crew = _Crew(url, outside, seed, random)
        left.callback(crew.end)
        crew.start(runners)
        for kill in range(kills):
            for id in islice(orders, sagas * (kill + 1) // kills - sagas * kill // kills):
                place(store, id)
            crew.take_back()
            crew.kill_one()
            if kill % 4 == 0:
                crew.stop_one()
        crew.leave_alone(2)
        until("all is done", lambda: is_done(store, sagas), DEADLINE + sagas)
        crew.end()
        world = Outside(outside, seed, FLAKY)
        wrong = judge(store, parts(world), world)
        assert wrong == [], "\n".join(wrong[:20])
        ended = Counter(dict(own(store, _BY_STATE)))
        seconds = time.monotonic() - started
        return Killed(
            seed,
            sagas,
            crew.kills,
            crew.at_work,
            crew.stopped,
            _states(store),
            ended["compensated"],
            ended["running"],
            seconds,
        )


def _orders(count: int, kinds: Sequence[str]) -> Iterator[str]:
    return (f"{kinds[number % len(kinds)]}-{number}" for number in range(count))


def place(store: Store, id: str) -> None:
    """An order, however busy the store is; and a yes to every other one that asks for it."""
    for event in [order(id), *([Approved()] if id.startswith("ask") and int(id.split("-")[1]) % 2 else [])]:
        while True:
            with contextlib.suppress(StoreError, OutcomeUnknown):
                store.append(f"order-{id}", [event])
                break


def is_done(store: Store, sagas: int) -> bool:
    """Whether every instance has ended, or waits for an operator."""
    return own(store, _LEFT) == [(0, 0, 0, 2 * sagas)]


def _states(store: Store) -> str:
    rows = own(store, "select process, state, count(*) from {refold}processes group by 1, 2 order by 1, 2")
    return ", ".join(f"{count} {process} {'parked' if state == 'running' else state}" for process, state, count in rows)


class _Crew:
    """Runners, one of which is killed or stopped now and then, and another started in its place."""

    def __init__(self, url: str, outside: str, seed: int, random: Random) -> None:
        self._url, self._outside, self._seed, self._random = url, outside, seed, random
        self._running: list[Process] = []
        self._stopped: list[tuple[threading.Timer, Process]] = []
        self._started = self.kills = self.at_work = self.stopped = 0

    def start(self, count: int) -> None:
        for _ in range(count):
            face = FACES[self._started % len(FACES)]
            self._running.append(
                Process(run, url=self._url, outside=self._outside, seed=self._seed, lease=LEASE, face=face)
            )
            self._started += 1

    def kill_one(self) -> None:
        victim, was_working = self._victim()
        self._running.remove(victim)
        self.start(1)
        victim.kill()
        self.kills += 1
        self.at_work += was_working

    def stop_one(self) -> None:
        """It holds what it has, also a lock, for longer than its lease."""
        victim, _ = self._victim()
        self._running.remove(victim)
        victim.send(signal.SIGSTOP)
        alarm = threading.Timer(1.5 * LEASE, lambda: victim.send(signal.SIGCONT))
        alarm.start()
        self._stopped.append((alarm, victim))
        self.start(1)
        self.stopped += 1

    def take_back(self) -> None:
        """Whoever goes on again, in place of one that is ended."""
        for alarm, victim in [each for each in self._stopped if not each[0].is_alive()]:
            self._stopped.remove((alarm, victim))
            self._running.append(victim)
            self._running.pop(0).kill()

    def leave_alone(self, count: int) -> None:
        """So many go on, and those that come back."""
        for alarm, _ in self._stopped:
            alarm.join()
        self.take_back()
        while len(self._running) > count:
            self._running.pop(0).kill()

    def _victim(self) -> tuple[Process, bool]:
        """Mostly one that is at work; else whatever it is doing: importing, beginning, waiting."""
        if waits_for_work(self.kills):
            until("a runner works", lambda: any(each.has_told("working") for each in self._running))
        time.sleep(self._random.uniform(0, 0.1))  # the moment of the kill is what is random here
        working = [each for each in self._running if each.has_told("working")]
        victim = self._random.choice(working or self._running)
        victim.check()
        return victim, victim in working

    def end(self) -> None:
        for alarm, _ in self._stopped:
            alarm.join()
        for each in (*self._running, *(victim for _, victim in self._stopped)):
            each.kill()
        self._running, self._stopped = [], []


def undo_in_haste() -> None:
    """In this process, an undo that fails is tried again at once: there is no minute to lose."""
    here: Any = performing
    here.UNDOING = Retry(5, timedelta(milliseconds=10), timedelta(milliseconds=50))


# A role --------------------------------------------------------------------------


def run(url: str, outside: str, seed: int, lease: float, face: str = "Store") -> None:
    """Keep sagas and processes running for ever, by either face, and tell of the first input that was taken in."""
    undo_in_haste()
    if face == "AsyncStore":
        asyncio.run(_run_awaiting(url, Outside(outside, seed, FLAKY), timedelta(seconds=lease), told_once()))
    world = Outside(outside, seed, FLAKY)
    with (
        Store.open(url, events=EVENTS) as store,
        store.run(*parts(world), lease=timedelta(seconds=lease), observe=told_once()) as running,
    ):
        running.join()


async def _run_awaiting(url: str, world: Outside, lease: timedelta, observe: Observe) -> None:
    async with (
        await AsyncStore.open(url, events=EVENTS) as store,
        store.run(*parts(world), lease=lease, observe=observe) as running,
    ):
        await running.join()
