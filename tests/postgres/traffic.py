"""Random writers of all kinds at once, what each of them was told, and readers that follow them.

As a program it is another process's share of the writers: `python -m tests.postgres.traffic URL SEED SECONDS`.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from refold import (
    ANY,
    NO_STREAM,
    AppendCondition,
    AsyncStore,
    Conflict,
    NewEvent,
    OutcomeUnknown,
    Query,
    Store,
    StoreError,
)
from refold.messages import RawEvent
from refold.query import ExpectedVersion

ROOT = Path(__file__).parents[2]
QUERY = Query.of(types=["X"]) | Query.of(types=["Y"]) | Query.of(tags=["t"])
"""One whose items are read one after another."""


class Ledger(msgspec.Struct):
    """What writers were told: the positions of what was done, what was refused, and what may have been written."""

    done: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    refused: set[str] = msgspec.field(default_factory=set[str])
    unknown: list[tuple[str, ...]] = msgspec.field(default_factory=list[tuple[str, ...]])
    errors: list[str] = msgspec.field(default_factory=list[str])

    def add(self, other: Ledger) -> None:
        """Take in what others were told."""
        self.done |= other.done
        self.refused |= other.refused
        self.unknown += other.unknown
        self.errors += other.errors

    def contradictions(self, log: dict[str, int]) -> list[str]:
        """Where a log, the positions by ids, holds something else than what was told."""
        lost = sum(id not in log for id in self.done)
        moved = sum(log[id] != position for id, position in self.done.items() if id in log)
        ghosts = sum(id in log for id in self.refused)
        torn = sum(0 < sum(id in log for id in ids) < len(ids) for ids in self.unknown)
        counts = {"acknowledged and lost": lost, "elsewhere": moved, "refused but there": ghosts, "torn": torn}
        return [f"{what}: {count}" for what, count in counts.items() if count] + self.errors


class Plan(msgspec.Struct):
    """One append to be made."""

    stream: str
    events: list[NewEvent[RawEvent]]
    expected: ExpectedVersion
    query: Query | None
    back: int

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of its events."""
        return tuple(str(event.id) for event in self.events)

    def condition(self, head: int) -> AppendCondition | None:
        """Its condition, if the head is there."""
        return None if self.query is None else AppendCondition(self.query, max(0, head - self.back))


def plan(random: Random) -> Plan:
    """One to ten events; half of the appends under a condition that may not hold."""
    events = [
        NewEvent(
            RawEvent(random.choice("XYZ"), {"n": random.randrange(1_000)}),
            id=UUID(int=random.getrandbits(128)),
            tags=frozenset(random.sample("tuv", random.randrange(3))),
        )
        for _ in range(random.randrange(1, 11))
    ]
    query = random.choice([None, None, QUERY, Query.all(), Query.of(tags=["u", "v"])])
    beliefs: list[ExpectedVersion] = [ANY, ANY, ANY, NO_STREAM, 3]
    expected = random.choice(beliefs)
    return Plan(f"{random.choice('abc')}-{random.randrange(50)}", events, expected, query, random.choice([0, 0, 3, 20]))


def write(store: Store, random: Random, ledger: Ledger) -> None:
    """Make one append, and note what came of it."""
    made = plan(random)
    head = store.head() if made.query else 0
    with noting(ledger, made):
        receipt = store.append(made.stream, made.events, expected=made.expected, condition=made.condition(head))
        ledger.done.update(zip(made.ids, map(int, receipt.positions), strict=True))


async def write_awaiting(store: AsyncStore, random: Random, ledger: Ledger) -> None:
    """The same, awaiting."""
    made = plan(random)
    head = await store.head() if made.query else 0
    with noting(ledger, made):
        receipt = await store.append(made.stream, made.events, expected=made.expected, condition=made.condition(head))
        ledger.done.update(zip(made.ids, map(int, receipt.positions), strict=True))


@contextmanager
def noting(ledger: Ledger, made: Plan) -> Generator[None]:
    """Notes what did not end well."""
    try:
        yield
    except Conflict:
        ledger.refused.update(made.ids)
    except StoreError:
        ledger.refused.update(made.ids)
    except OutcomeUnknown:
        ledger.unknown.append(made.ids)


def write_joined(store: Store, connection: psycopg.Connection[Any], random: Random, ledger: Ledger) -> None:
    """Append inside a transaction of the application's that commits late, or rolls back."""
    made = plan(random)
    told: dict[str, int] = {}
    committing = False
    try:
        with connection.transaction(force_rollback=random.random() < 0.4) as transaction:
            receipt = store.join(connection).append(made.stream, made.events, expected=made.expected)
            told = dict(zip(made.ids, map(int, receipt.positions), strict=True))
            time.sleep(random.random() * 0.02)
            committing = not transaction.force_rollback
    except (Conflict, StoreError):
        ledger.refused.update(made.ids)
    except psycopg.OperationalError:
        if committing:
            ledger.unknown.append(made.ids)
        else:
            ledger.refused.update(made.ids)
    else:
        if committing:
            ledger.done.update(told)
        else:
            ledger.refused.update(made.ids)


class Writers:
    """Threads that write until they are told to stop."""

    def __init__(self, url: str, seed: int) -> None:
        self._url, self._seed = url, seed
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._ledgers: list[Ledger] = []

    def blocking(self, writers: int) -> None:
        """Threads that share one store."""
        store = Store.open(self._url, events=[RawEvent])
        left = [writers]

        def loop(random: Random, ledger: Ledger) -> None:
            while not self._stop.is_set():
                write(store, random, ledger)
            left[0] -= 1
            if not left[0]:
                store.close()

        for _ in range(writers):
            self._start(loop)

    def awaiting(self, writers: int) -> None:
        """Tasks that share one store."""

        async def task(store: AsyncStore, random: Random, ledger: Ledger) -> None:
            while not self._stop.is_set():
                await write_awaiting(store, random, ledger)

        async def run(random: Random, ledger: Ledger) -> None:
            async with await AsyncStore.open(self._url, events=[RawEvent]) as store:
                await asyncio.gather(*(task(store, random, ledger) for _ in range(writers)))

        self._start(lambda random, ledger: asyncio.run(run(random, ledger)))

    def joining(self, writers: int, pause: float = 0.02) -> None:
        """Threads with transactions of their own, which are slow: meanwhile the others wait, so between them is a pause."""

        def loop(random: Random, ledger: Ledger) -> None:
            with Store.open(self._url, events=[RawEvent]) as store:
                connection = psycopg.connect(self._url, autocommit=True)
                while not self._stop.is_set():
                    if connection.closed:
                        connection = psycopg.connect(self._url, autocommit=True)
                    write_joined(store, connection, random, ledger)
                    self._stop.wait(pause * random.random() * 2)
                connection.close()

        for _ in range(writers):
            self._start(loop)

    def _start(self, loop: Callable[[Random, Ledger], None]) -> None:
        ledger, random = Ledger(), Random(f"{self._seed} {len(self._threads)}")  # noqa: S311 - the same each time for a seed

        def run() -> None:
            try:
                loop(random, ledger)
            except BaseException as error:
                ledger.errors.append(f"{type(error).__name__}: {error}")

        self._ledgers.append(ledger)
        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def stop(self) -> Ledger:
        """Let all of them finish, and give what they were told."""
        self._stop.set()
        total = Ledger()
        for thread, ledger in zip(self._threads, self._ledgers, strict=True):
            thread.join()
            total.add(ledger)
        return total


class Elsewhere:
    """Two writers in another process."""

    def __init__(self, url: str, seed: int, seconds: float) -> None:
        command = [sys.executable, "-m", "tests.postgres.traffic", url, str(seed), str(seconds)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)

    def stop(self) -> Ledger:
        """Wait for its end, and give what it was told."""
        out, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == 0
        return msgspec.json.decode(out, type=Ledger)


class Tail:
    """A reader that follows a store from its beginning by `read(after=)`."""

    def __init__(self, url: str, query: Query | None = None) -> None:
        self.seen: list[int] = []
        self.error: BaseException | None = None
        self._url, self._query = url, query
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            with Store.open(self._url, events=[RawEvent]) as store:
                last = 0
                while True:
                    ending = self._stop.is_set()
                    for event in store.read(query=self._query, after=last, limit=None if ending else 200):
                        last = event.position
                        self.seen.append(last)
                    if ending:
                        return
                    time.sleep(0.001)
        except BaseException as error:
            self.error = error

    def stop(self) -> Sequence[int]:
        """Let it read to the end, and give the positions that it saw, in its order."""
        self._stop.set()
        self._thread.join()
        if self.error is not None:
            raise self.error
        return self.seen


def faults(seen: Sequence[int], there: Sequence[int]) -> dict[str, int]:
    """What is wrong with what a reader saw of what is there."""
    return {
        "missing": len(set(there) - set(seen)),
        "double": len(seen) - len(set(seen)),
        "out of order": sum(later <= earlier for earlier, later in pairwise(seen)),
    }


NONE = {"missing": 0, "double": 0, "out of order": 0}


def everything(url: str) -> list[tuple[int, str, str, list[str]]]:
    """The log by SQL of our own: position, id, type, tags."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("select position, id::text, type, tags from refold.events order by position")
        return [(position, id, type, tags) for position, id, type, tags in rows]


def main(url: str, seed: int, seconds: float) -> None:
    """Two threads, for so long."""
    writers = Writers(url, seed)
    writers.blocking(2)
    time.sleep(seconds)
    sys.stdout.buffer.write(msgspec.json.encode(writers.stop()))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
