"""Runners killed at random moments while others write, and what is left when the last ones have caught up."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from random import Random
from typing import Final

from msgspec import Struct
from tests.faults.processes import Process, tell, until
from tests.faults.readmodels import (
    EVENTS,
    OUTBOX,
    POISON,
    PROJECTIONS,
    Deposited,
    Move,
    accounts,
    contradictions,
    moves,
)

from refold import AsyncStore, Conflict, OutcomeUnknown, Projection, Store, StoreError
from refold.runner import StepSeen

LEASE: Final = 0.4
FACES: Final = ("Store", "AsyncStore")


class Killed(Struct, frozen=True):
    """What a kill loop did. `at_work`: so many were killed after they had applied something."""

    seed: int
    kills: int
    at_work: int
    events: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.kills} runners killed, {self.at_work} of them at work, beside {self.events:,} events in "
            f"{self.seconds:.1f} s (seed {self.seed})"
        )


def kill_loop(url: str, kills: int, seed: int, *, runners: int = 3, names: Sequence[str] = (*PROJECTIONS,)) -> Killed:
    """Kill so many runners, let others finish their work, and compare all that is there."""
    random, started = Random(seed), time.monotonic()  # noqa: S311 - the same each time for a seed
    with Store.open(url, events=EVENTS) as store:
        begin(store, names)
        with ExitStack() as left:
            writers = [
                left.enter_context(Process(write, url=url, seed=seed + i, pause=0.002, poison=i == 0)) for i in (0, 1)
            ]
            crew = _Crew(url, names, random)
            left.callback(crew.end)
            crew.start(runners)
            for _ in range(kills):
                crew.kill_one()
            for writer in writers:
                writer.check()
        settle(store, url, names)
        wrong = contradictions(store, names)
        assert wrong == [], wrong
        return Killed(seed, kills, crew.at_work, len(moves(store)), time.monotonic() - started)


def begin(store: Store, names: Sequence[str]) -> None:
    """The outbox, and what must be begun to be split; the rest is begun by whoever is first."""
    store.catch_up(OUTBOX)
    if "buckets" in names:
        store.catch_up(PROJECTIONS["buckets"]())
        store.model(PROJECTIONS["buckets"]()).repartition(4)


def waits_for_work(number: int) -> bool:
    """Four of five kills wait until somebody works, so that most of a few do; the fifth comes whatever they are doing."""
    return number % 5 != 4


class _Crew:
    """Runners, one of which is killed now and then, and another started in its place."""

    def __init__(self, url: str, names: Sequence[str], random: Random) -> None:
        self._url, self._names, self._random = url, names, random
        self._running: list[Process] = []
        self._started = self._kills = self.at_work = 0

    def start(self, count: int) -> None:
        for _ in range(count):
            face = FACES[self._started % len(FACES)]
            self._running.append(Process(run, url=self._url, names=self._names, lease=LEASE, face=face))
            self._started += 1

    def kill_one(self) -> None:
        """Mostly one that is at work; else whatever it is doing: importing, beginning, waiting."""
        if waits_for_work(self._kills):
            until("a runner works", lambda: any(each.has_told("working") for each in self._running))
        time.sleep(self._random.uniform(0, 0.1))  # the moment of the kill is what is random here
        working = [each for each in self._running if each.has_told("working")]
        victim = self._random.choice(working or self._running)
        victim.check()
        self._running.remove(victim)
        self.start(1)
        victim.kill()
        self._kills += 1
        self.at_work += victim in working

    def end(self) -> None:
        for each in self._running:
            each.kill()


def settle(store: Store, url: str, names: Sequence[str]) -> None:
    """Let two runners that are left alone catch up."""
    with Process(run, url=url, names=names, lease=LEASE), Process(run, url=url, names=names, lease=LEASE):
        until("everything is caught up", lambda: is_caught_up(store, names))


def is_caught_up(store: Store, names: Sequence[str]) -> bool:
    """Whether the builds that readers see have taken in all that there is."""
    head = store.head()
    found = {each.name: each for each in store.projections() if each.role == "active"}
    for each in found.values():
        assert each.state == "running", f"{each.name} is {each.state}: {each.reason}"
    return all(name in found and found[name].position >= head for name in names)


# Roles -------------------------------------------------------------------------


def run(url: str, names: list[str], lease: float, face: str = "Store") -> None:
    """Keep projections running for ever, and tell of the first step that applied something."""
    keep_running(url, [PROJECTIONS[name]() for name in names], lease, face, told_once())


def keep_running(
    url: str, projections: list[Projection], lease: float, face: str, observe: Callable[[StepSeen], None]
) -> None:
    """By either face."""
    if face == "AsyncStore":
        asyncio.run(_keep_awaiting(url, projections, lease, observe))
    with (
        Store.open(url, events=EVENTS) as store,
        store.run(*projections, lease=timedelta(seconds=lease), observe=observe) as running,
    ):
        running.join()


async def _keep_awaiting(
    url: str, projections: list[Projection], lease: float, observe: Callable[[StepSeen], None]
) -> None:
    async with (
        await AsyncStore.open(url, events=EVENTS) as store,
        store.run(*projections, lease=timedelta(seconds=lease), observe=observe) as running,
    ):
        await running.join()


def told_once() -> Callable[[StepSeen], None]:
    told = threading.Event()

    def observe(step: StepSeen) -> None:
        if step.applied and not told.is_set():
            told.set()
            tell("working")

    return observe


def write(url: str, seed: int, pause: float, *, poison: bool = False) -> None:
    """Commands and appends for ever, to few accounts, so that writers are in each other's way."""
    random = Random(seed)  # noqa: S311 - the same each time for a seed
    with Store.open(url, events=EVENTS) as store:
        if poison:
            store.append("account-3", [Deposited(POISON)])
        while True:
            with contextlib.suppress(Conflict, StoreError, OutcomeUnknown):
                write_one(store, random)
            time.sleep(random.random() * 2 * pause)


def write_one(store: Store, random: Random) -> None:
    """One command, or an append of a few events that may expect what is not so."""
    account, amount = str(random.randrange(12)), random.randrange(1, 100)
    match random.randrange(4):
        case 0:
            store.append(f"account-{account}", [Deposited(amount + i) for i in range(random.randrange(1, 9))])
        case 1:
            store.append(f"account-{account}", [Deposited(amount)], expected=random.randrange(200))
        case _:
            store.bind(accounts).handle(account, Move(random.choice((amount, -amount))))
