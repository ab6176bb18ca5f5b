"""Concurrent histories: random appends of several writers to the same few streams and tags, each written down as it was told.

As a program it is another process's writers: `python -m tests.postgres.histories URL SEED HISTORIES`, in step over its pipes.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import TypeAlias
from uuid import UUID

import msgspec

from refold import (
    ANY,
    EXISTS,
    NO_STREAM,
    AppendCondition,
    Conflict,
    IdReused,
    NewEvent,
    OutcomeUnknown,
    Query,
    Store,
    StreamCheck,
    StreamWrite,
)
from refold.messages import RawEvent
from refold.ports import Check, QueryMatched, StreamMoved
from refold.query import QueryItem

ROOT = Path(__file__).parents[2]
ANYTHING, NOTHING, SOMETHING = "any", "no stream", "exists"
_EXPECTED = {ANYTHING: ANY, NOTHING: NO_STREAM, SOMETHING: EXISTS}
NEVER = -1
"""A version that no stream is at."""
Belief: TypeAlias = int | str
Item: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""The types and the tags of one item of a query."""


class Fact(msgspec.Struct, frozen=True):
    """One event that a writer wanted to append."""

    id: str
    type: str
    tags: tuple[str, ...]


class Body(msgspec.Struct, frozen=True):
    """What one append asked for: events by stream with what was expected of it, streams only looked at, conditions."""

    writes: tuple[tuple[str, Belief, tuple[Fact, ...]], ...]
    looks: tuple[tuple[str, Belief], ...] = ()
    conditions: tuple[tuple[int, tuple[Item, ...]], ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of its events, in their order."""
        return tuple(fact.id for _, _, facts in self.writes for fact in facts)


class Tried(msgspec.Struct, frozen=True):
    """One append, when it began and ended by a clock that all processes share, and what was told of it.

    `told` is "done", "conflict", "reused" or "unknown". `moved` and `matched` are the failures of a conflict: which
    expectation or condition, by its number, and what was there instead.
    """

    body: Body
    began: int
    ended: int
    told: str
    positions: tuple[int, ...] = ()
    versions: tuple[int, ...] = ()
    repeated: bool = False
    moved: tuple[tuple[int, int], ...] = ()
    matched: tuple[tuple[int, int], ...] = ()


def streams_of(history: int) -> list[str]:
    """The three hot streams of a history."""
    return [f"h{history}-{n}" for n in "abc"]


def body(random: Random, history: int, head: Callable[[], int]) -> Body:
    """A random append within one history, whose streams and tags are its own; few enough for most to meet each other."""
    streams, tags = streams_of(history), [f"{history}:{n}" for n in "st"]
    beliefs: list[Belief] = [ANYTHING, ANYTHING, NOTHING, SOMETHING, 0, 1, 2, 3]

    def facts() -> tuple[Fact, ...]:
        return tuple(
            Fact(
                str(UUID(int=random.getrandbits(128))),
                random.choice("XYZ") + str(history),
                tuple(sorted(random.sample(tags, random.randrange(3)))),
            )
            for _ in range(random.choice([1, 1, 2, 5]))
        )

    def query() -> tuple[Item, ...]:
        types = tuple(sorted(f"{name}{history}" for name in random.sample("XYZ", random.randrange(1, 3))))
        tag = (random.choice(tags),)
        return random.choice(
            [(((), tag),), ((types, ()),), ((types, tag),), (((), tag), (types, ())), (((), tuple(tags)),), ()]
        )

    if random.random() < 0.3:  # one stream and its version, as most appends are
        return Body(((random.choice(streams), random.choice(beliefs), facts()),))
    chosen = random.sample(streams, random.choice([1, 1, 2]))
    looked = [stream for stream in streams if stream not in chosen and random.random() < 0.3]
    number = random.choice([0, 1, 1, 2])
    last = head() if number else 0
    conditions = [(random.choice([0, last, last, max(0, last - 1)]), query()) for _ in range(number)]
    return Body(
        tuple((stream, random.choice(beliefs), facts()) for stream in chosen),
        tuple((stream, random.choice(beliefs)) for stream in looked),
        tuple(dict.fromkeys(conditions)),
    )


def attempt(store: Store, body: Body) -> Tried:
    """Make the append, and write down what was told of it."""
    began = time.monotonic_ns()
    try:
        receipts = store.append_all(_writes(body), checks=_checks(body))
    except Conflict as conflict:
        ended = time.monotonic_ns()
        return Tried(body, began, ended, "conflict", moved=_moved(body, conflict), matched=_matched(body, conflict))
    except IdReused:
        return Tried(body, began, time.monotonic_ns(), "reused")
    except OutcomeUnknown:
        return Tried(body, began, time.monotonic_ns(), "unknown")
    ended = time.monotonic_ns()
    positions = tuple(int(position) for receipt in receipts for position in receipt.positions)
    versions = tuple(receipt.version for receipt in receipts)
    return Tried(body, began, ended, "done", positions, versions, receipts[0].repeated)


def observed(store: Store, random: Random, history: int = 0) -> Tried:
    """Read the version of a stream, and write that down as what it is: a refusal of one who expected what never is."""
    stream = random.choice(streams_of(history))
    began = time.monotonic_ns()
    version = len([*store.read(stream)])
    return Tried(Body((), ((stream, NEVER),)), began, time.monotonic_ns(), "conflict", moved=((0, version),))


def _writes(body: Body) -> list[StreamWrite]:
    return [
        StreamWrite(stream, [_event(fact) for fact in facts], _EXPECTED[belief] if isinstance(belief, str) else belief)
        for stream, belief, facts in body.writes
    ]


def _event(fact: Fact) -> NewEvent[RawEvent]:
    return NewEvent(RawEvent(fact.type, {}), id=UUID(fact.id), tags=frozenset(fact.tags))


def _checks(body: Body) -> list[Check]:
    looks: list[Check] = [StreamCheck(s, _EXPECTED[b] if isinstance(b, str) else b) for s, b in body.looks]
    return [*looks, *(_condition(after, items) for after, items in body.conditions)]


def _condition(after: int, items: tuple[Item, ...]) -> AppendCondition:
    return AppendCondition(
        Query(frozenset(QueryItem(frozenset(types), frozenset(tags)) for types, tags in items)), after
    )


def _moved(body: Body, conflict: Conflict) -> tuple[tuple[int, int], ...]:
    streams = [stream for stream, *_ in (*body.writes, *body.looks)]
    return tuple(sorted((streams.index(f.stream), f.actual) for f in conflict.failures if isinstance(f, StreamMoved)))


def _matched(body: Body, conflict: Conflict) -> tuple[tuple[int, int], ...]:
    asked = [_condition(*condition) for condition in body.conditions]
    return tuple(sorted((asked.index(f.condition), f.actual) for f in conflict.failures if isinstance(f, QueryMatched)))


class Writers:
    """Threads that go through the histories together: no one begins the next before all have finished one."""

    def __init__(self, url: str, seed: int, *, stores: int, threads: int, step: Callable[[], None]) -> None:
        self.tried: list[Tried] = []
        self._url, self._seed, self._stores = url, seed, stores
        self._bodies: list[Body] = []
        self._barrier = threading.Barrier(threads, self._next(step))
        self._threads = threads
        self._errors: list[BaseException] = []

    def _next(self, step: Callable[[], None]) -> Callable[[], None]:
        def action() -> None:
            self._bodies.clear()
            step()

        return action

    def run(self, histories: Sequence[int]) -> None:
        """Go through them all."""
        stores = [Store.open(self._url, events=[RawEvent]) for _ in range(self._stores)]
        try:
            threads = [
                threading.Thread(target=self._writer, args=(stores[n % len(stores)], n, histories))
                for n in range(self._threads)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            for store in stores:
                store.close()
        if self._errors:
            raise self._errors[0]

    def _writer(self, store: Store, number: int, histories: Sequence[int]) -> None:
        random = Random(f"{self._seed} {number}")  # noqa: S311 - the same each time for a seed
        try:
            for history in histories:
                self._barrier.wait(60)
                for _ in range(random.choice([1, 2])):
                    self.tried.append(attempt(store, self._body(random, history, lambda: int(store.head()))))
        except BaseException as error:
            self._errors.append(error)
            self._barrier.abort()

    def _body(self, random: Random, history: int, head: Callable[[], int]) -> Body:
        """Sometimes one that another writer of this process, or this one, has made already or is just making."""
        if self._bodies and random.random() < 0.2:
            return random.choice(self._bodies)
        made = body(random, history, head)
        self._bodies.append(made)
        return made


def recorded(url: str, seed: int, histories: int) -> list[Tried]:
    """So many histories by three threads here, over two stores, and two in another process: every append of them."""
    Store.open(url).close()
    command = [sys.executable, "-m", "tests.postgres.histories", url, str(seed + 1), str(histories)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin
        assert other.stdout
        ins, outs = other.stdin, other.stdout

        def step() -> None:
            assert outs.readline() == b"here\n"
            ins.write(b"go\n")
            ins.flush()

        writers = Writers(url, seed, stores=2, threads=3, step=step)
        try:
            writers.run(range(histories))
            return writers.tried + msgspec.json.decode(outs.read(), type=list[Tried])
        finally:
            other.kill()


def main(url: str, seed: int, histories: int) -> None:
    """The other process's share."""

    def step() -> None:
        sys.stdout.buffer.write(b"here\n")
        sys.stdout.buffer.flush()
        if sys.stdin.buffer.readline() != b"go\n":
            raise SystemExit

    writers = Writers(url, seed, stores=1, threads=2, step=step)
    writers.run(range(histories))
    sys.stdout.buffer.write(msgspec.json.encode(writers.tried))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
