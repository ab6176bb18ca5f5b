"""Requests of concurrent histories: random appends to the same few streams and tags, each written down as it was told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from refold import (
    ANY,
    EXISTS,
    NO_STREAM,
    AppendCondition,
    Conflict,
    Fold,
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


def body(random: Random, history: int, head: Callable[[], int], known: Mapping[str, int] | None = None) -> Body:
    """A random append within one history, whose streams and tags are its own; few enough for most to meet each other.

    `known`: the versions at which its writer last saw the streams.
    """
    streams, tags = streams_of(history), [f"{history}:{n}" for n in "st"]

    def belief(stream: str) -> Belief:
        seen: list[Belief] = [0, 1, 2, 3] if known is None else [known.get(stream, 0)] * 4
        return random.choice([ANYTHING, ANYTHING, NOTHING, SOMETHING, *seen])

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
        stream = random.choice(streams)
        return Body(((stream, belief(stream), facts()),))
    chosen = random.sample(streams, random.choice([1, 1, 2]))
    looked = [stream for stream in streams if stream not in chosen and random.random() < 0.3]
    number = random.choice([0, 1, 1, 2])
    last = head() if number else 0
    conditions = [(random.choice([0, last, last, max(0, last - 1)]), query()) for _ in range(number)]
    return Body(
        tuple((stream, belief(stream), facts()) for stream in chosen),
        tuple((stream, belief(stream)) for stream in looked),
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


@cache
def _counting(category: str) -> Fold[int, RawEvent]:
    return Fold(category, int, lambda count, _: count + 1, events=(RawEvent,))


def decided(store: Store, random: Random, history: int) -> Tried:
    """A command. What it appends was decided on so many events as it saw, and is held to that."""
    stream, fact = random.choice(streams_of(history)), Fact(str(UUID(int=random.getrandbits(128))), f"D{history}", ())
    category, _, id = stream.partition("-")
    seen = list[int]()

    def decide(count: int) -> Iterator[Any]:
        seen.append(count)
        yield _event(fact)

    began = time.monotonic_ns()
    try:
        handled = store.bind(_counting(category)).do(id, decide)
    except OutcomeUnknown:
        return Tried(Body(((stream, seen[-1], (fact,)),)), began, time.monotonic_ns(), "unknown")
    ended = time.monotonic_ns()
    wanted = Body(((stream, seen[-1], (fact,)),))
    return Tried(wanted, began, ended, "done", (int(handled.position),), (handled.version,))


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
