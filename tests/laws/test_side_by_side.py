"""Memory is the specification: a machine drives it and SQLite side by side, and every whole result must be the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from refold import ANY, EXISTS, NO_STREAM, AppendCondition, NewEvent, Position, RawEvent, RefoldError, Store, compose
from refold.flows.together import StreamWrite
from refold.ports import StreamCheck
from refold.testing import ManualClock
from refold.testing import strategies as refold_st
from refold.testing.contract.sample import (
    EVENTS,
    CourseDefined,
    Deposit,
    Withdraw,
    accounts,
    courses,
    fact,
    join,
    notes,
    students,
)


def numbered(type: str, tags: frozenset[str], n: int) -> NewEvent[RawEvent]:
    return fact(type, *tags, n=n)


STREAMS = st.sampled_from(["account-1", "account-2", "a-1", "a-b-1", "ab-1", "a b-1"])
TYPES = st.sampled_from(["X", "Y", "x"])
TAGS = st.sampled_from(["t", "u", "t,u", "T"])
EXPECTED = st.one_of(st.just(ANY), st.just(NO_STREAM), st.just(EXISTS), st.integers(0, 6))
FACTS = st.lists(
    st.builds(numbered, TYPES, st.frozensets(TAGS), st.integers(0, 9)),
    min_size=1,
    max_size=3,
)
AFTER = st.none() | st.integers(0, 25)
CONDITIONS = st.none() | st.builds(AppendCondition, refold_st.queries(TYPES, TAGS), st.integers(0, 25))
STUDENTS = st.sampled_from(["ann", "bob"])
SOURCES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    STREAMS.map(lambda name: {"stream": name}),
    st.sampled_from(["a", "ab", "a-b", "account", "A", ""]).map(lambda name: {"category": name}),
    refold_st.queries(TYPES, TAGS).map(lambda query: {"query": query}),
)


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


class SideBySide(RuleBasedStateMachine):
    """Two stores, the same calls, the same clock and ids."""

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.url = f"sqlite:///{Path(self.folder.name)}/store.db?durability=best-effort"
        self.clocks = (ManualClock(), ManualClock())
        self.memory = Store.open("memory://", events=EVENTS, clock=self.clocks[0])
        self.sqlite = Store.open(self.url, events=EVENTS, clock=self.clocks[1])

    def teardown(self) -> None:
        self.memory.close()
        self.sqlite.close()
        self.folder.cleanup()

    def both(self, call: Callable[[Store], Any]) -> Any:
        """What the call gives on both, which must be the same, or the same error."""
        one, other = (_told(call, store) for store in (self.memory, self.sqlite))
        assert one == other
        return one

    @rule(stream=STREAMS, events=FACTS, expected=EXPECTED, condition=CONDITIONS)
    def append(self, stream: str, events: list[Any], expected: Any, condition: Any) -> None:
        self.both(lambda s: s.append(stream, events, expected=expected, condition=condition))

    @rule(
        stream=STREAMS, ids=st.lists(st.integers(1, 6), min_size=1, max_size=3), n=st.integers(0, 1), expected=EXPECTED
    )
    def append_with_ids(self, stream: str, ids: list[int], n: int, expected: Any) -> None:
        events = [NewEvent(RawEvent("X", {"n": n}), id=UUID(int=id)) for id in ids]
        self.both(lambda s: s.append(stream, events, expected=expected))

    @rule(
        writes=st.dictionaries(STREAMS, st.tuples(FACTS, EXPECTED), min_size=1, max_size=3),
        checks=st.lists(st.builds(StreamCheck, STREAMS, EXPECTED), max_size=2),
        condition=CONDITIONS,
    )
    def append_together(self, writes: dict[str, Any], checks: list[Any], condition: Any) -> None:
        streams = [StreamWrite(name, events, expected) for name, (events, expected) in writes.items()]
        every = [*checks, *([condition] if condition else [])]
        self.both(lambda s: s.append_all(streams, checks=every))

    @rule(
        id=st.sampled_from("12"),
        command=st.builds(Deposit, st.integers(0, 5)) | st.builds(Withdraw, st.integers(1, 5)),
        key=st.none() | st.sampled_from(["k1", "k2", "k3"]),
    )
    def handle(self, id: str, command: Any, key: str | None) -> None:
        self.both(lambda s: s.bind(accounts).handle(id, command, idempotency_key=key))

    @rule(course=st.sampled_from(["db", "ml"]), capacity=st.integers(0, 2))
    def define(self, course: str, capacity: int) -> None:
        self.both(lambda s: s.append(f"course-{course}", [CourseDefined(course, capacity)]))

    @rule(course=st.sampled_from(["db", "ml"]), student=STUDENTS)
    def decide(self, course: str, student: str) -> None:
        model = compose(courses.tagged(f"course:{course}"), students.tagged(f"student:{student}"))
        self.both(lambda s: s.decide(model, join(course, student), stream=f"course-{course}"))

    @rule(by=st.integers(-3, 3))
    def move_the_clock(self, by: int) -> None:
        for clock in self.clocks:
            clock.move(timedelta(seconds=by))

    @rule(
        source=SOURCES,
        after=AFTER,
        since=st.none() | st.integers(-5, 5),
        until=st.none() | st.integers(-5, 5),
        direction=st.sampled_from(["forward", "backward"]),
        limit=st.none() | st.integers(0, 5),
    )
    def read(self, source: dict[str, Any], after: Any, since: Any, until: Any, direction: Any, limit: Any) -> None:
        times: dict[str, Any] = {
            name: None if offset is None else self.clocks[0].time + timedelta(seconds=offset)
            for name, offset in (("since", since), ("until", until))
        }
        self.both(lambda s: list(s.read(**source, **times, after=after, direction=direction, limit=limit)))

    @rule(
        id=st.sampled_from("12"),
        as_of=st.none() | st.integers(0, 8) | st.integers(0, 25).map(Position),
        valid=st.none() | st.integers(-5, 5),
    )
    def load(self, id: str, as_of: Any, valid: int | None) -> None:
        valid_at = None if valid is None else self.clocks[0].time + timedelta(seconds=valid)
        self.both(lambda s: s.bind(accounts).load(id, as_of=as_of, valid_at=valid_at))
        self.both(lambda s: s.bind(notes).load(id, as_of=as_of, valid_at=valid_at))

    @rule(prefix=st.sampled_from(["", "a", "a-", "a b", "b", "account-1"]))
    def list_streams(self, prefix: str) -> None:
        self.both(lambda s: list(s.streams(prefix)))

    @rule(ids=st.lists(st.integers(0, 7), max_size=4))
    def find(self, ids: list[int]) -> None:
        self.both(lambda s: s.find(*(UUID(int=id) for id in ids)))

    @rule()
    def find_all_by_their_ids(self) -> None:
        ids = [e.id for e in self.memory.read()]
        self.both(lambda s: s.find(*ids))

    @precondition(lambda self: hasattr(self, "url"))
    @rule()
    def reopen(self) -> None:
        self.sqlite.close()
        self.sqlite = Store.open(self.url, events=EVENTS, clock=self.clocks[1])

    @invariant()
    def they_hold_the_same(self) -> None:
        if not hasattr(self, "url"):
            return
        self.both(lambda s: list(s.read()))
        self.both(lambda s: s.head())
        stats = self.both(lambda s: {**_fields(s.stats()), "bytes": 0})
        assert stats["events"] == len(list(self.memory.read()))


def _fields(stats: Any) -> dict[str, Any]:
    return {
        name: getattr(stats, name)
        for name in ("events", "streams", "types", "categories", "head", "first_recorded_at", "last_recorded_at")
    }


def _told(call: Callable[[Store], Any], store: Store) -> Any:
    try:
        return call(store)
    except (RefoldError, Exception) as error:
        return type(error), str(error), getattr(error, "failures", None)


def machine(examples: int, steps: int) -> type[Any]:
    case = SideBySide.TestCase
    case.settings = settings(max_examples=examples, stateful_step_count=steps, suppress_health_check=SLOW)
    return case


TestSideBySide = pytest.mark.guarantee("G13")(machine(150, 30))


class LongSideBySide(SideBySide):
    """The same, for longer."""


TestLongSideBySide = pytest.mark.long(LongSideBySide.TestCase)
TestLongSideBySide.settings = settings(max_examples=1_500, stateful_step_count=60, suppress_health_check=SLOW)
