"""Decisions on composed models: what others append within the boundary is decided on again, what is outside is not seen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import pytest
from tests.flows.counting import CountingBackend, Meanwhile, runtime

from refold import Conflict, Decider, KeyReused, Query, compose
from refold._bridge.stepping import run_sync
from refold.flows.append import append
from refold.flows.decide import Decided, decide, handle_within
from refold.flows.transact import ATTEMPTS
from refold.messages import Context, Position
from refold.ports import EVERYTHING, Selection
from refold.query import ANY
from refold.testing.contract.sample import (
    Course,
    CourseDefined,
    CourseFull,
    Deposit,
    Deposited,
    Joined,
    courses,
    join,
    students,
)

MODEL = compose(courses.tagged("course:db"), students.tagged("student:ann"))


def others(*events: object) -> Meanwhile:
    async def append_them(backend: CountingBackend) -> None:
        await append(backend, runtime(), "course-db", events, expected=ANY, condition=None, context=Context())

    return append_them


def defined(capacity: int, *meanwhile: Meanwhile) -> CountingBackend:
    """A store with the course in it, and what others do before each of our appends."""
    backend = CountingBackend()
    run_sync(others(CourseDefined("db", capacity))(backend))
    backend.meanwhile = list(meanwhile)
    return backend


def decided(backend: CountingBackend) -> Decided[Joined]:
    return run_sync(decide(backend, runtime(), MODEL, join("db", "ann"), "course-db", Context()))


@pytest.mark.guarantee("G5")
def test_a_decision_that_was_overtaken_is_taken_again_on_the_new_states() -> None:
    backend = defined(1, others(Joined("db", "bob")))
    with pytest.raises(CourseFull):
        decided(backend)


def test_only_what_is_new_is_read_again() -> None:
    backend = defined(2, others(Joined("db", "bob")), others(Joined("db", "cal")))
    seen: list[Course] = []

    def look(course: Course, count: int) -> Iterator[Joined]:
        seen.append(course)
        yield from join("db", "ann")(Course(9, course.taken), count)

    run_sync(decide(backend, runtime(), MODEL, look, "course-db", Context()))
    assert seen == [Course(2, 0), Course(2, 1), Course(2, 2)]


def test_what_lies_outside_the_boundary_does_not_disturb() -> None:
    backend = defined(2, others(CourseDefined("ml", 1), Joined("ml", "bob")))
    backend.calls.clear()
    assert decided(backend).events == (Joined("db", "ann"),)
    assert backend.calls["append"] == 2  # its own, and that of the other


def test_a_hundred_lost_attempts_are_a_conflict() -> None:
    backend = defined(2 * ATTEMPTS, *(others(Joined("db", f"s{i}")) for i in range(ATTEMPTS)))
    with pytest.raises(Conflict, match="an event that matches") as lost:
        decided(backend)
    assert [type(failure).__name__ for failure in lost.value.failures] == ["QueryMatched"]


def test_a_decision_costs_one_read_and_one_append_and_one_for_nothing_no_append() -> None:
    backend = defined(2)
    backend.calls.clear()
    assert run_sync(decide(backend, runtime(), MODEL, lambda *_: (), "course-db", Context())).events == ()
    assert backend.calls == {"read": 1}
    backend.calls.clear()
    decided(backend)
    assert backend.calls == {"read": 1, "append": 1, "find": 1}


def test_a_decision_without_a_name_of_its_own_is_named_by_its_class() -> None:
    class Joining:
        def __call__(self, course: Course, count: int) -> Iterable[Joined]:
            return [Joined("db", "ann")]

    backend = defined(2)
    run_sync(decide(backend, runtime(), MODEL, Joining(), "course-db", Context()))
    (row,) = run_sync(backend.read(Selection(EVERYTHING, 1)))
    assert json.loads(row.metadata)["$command"] == "Joining"


class Overtaken(CountingBackend):
    """Twice somebody appends when a bound was asked for, before the rows up to it are read."""

    overtaking = 2

    async def head(self) -> int:
        found = await super().head()
        if self.overtaking:
            self.overtaking -= 1
            await others(Joined("db", "bob"))(self)
        return found


def test_under_a_guard_nothing_is_folded_that_came_after_the_bound_that_was_taken_first() -> None:
    backend = Overtaken()
    run_sync(others(CourseDefined("db", 9))(backend))
    guarded = compose(courses.tagged("course:db")).guarded_by(Query.of(types=["course.joined"]))
    seen: list[Course] = []

    def look(course: Course) -> Iterable[Joined]:
        seen.append(course)
        return [Joined("db", "ann")]

    run_sync(decide(backend, runtime(), guarded, look, "course-db", Context()))
    assert seen == [Course(9, 0), Course(9, 1), Course(9, 2)]


# With an idempotency key -------------------------------------------------------------------------------------------------


def total(total: int, event: Deposited) -> int:
    return total + event.amount


def deposit(command: Deposit, total: int) -> Iterable[Deposited]:
    return [Deposited(command.amount)] if command.amount else []


TOTALS = Decider("total", int, total, deposit).tagged("to:someone")


def asked(backend: CountingBackend, amount: int, key: str | None = "k", stream: str = "total-1") -> Decided[Deposited]:
    return run_sync(handle_within(backend, runtime(), TOTALS, Deposit(amount), stream, Context(), key))


@pytest.mark.guarantee("G4")
def test_a_repeated_command_gives_its_own_events_alone_though_others_came_before_and_after() -> None:
    backend = CountingBackend()
    asked(backend, 1, "before")
    first = asked(backend, 2)
    asked(backend, 3, "after")
    assert asked(backend, 2) == Decided((Deposited(2),), first.position, repeated=True)


@pytest.mark.guarantee("G4")
def test_a_command_that_led_to_nothing_led_to_nothing_when_it_is_repeated() -> None:
    backend = CountingBackend()
    asked(backend, 1, None)
    assert (asked(backend, 0), asked(backend, 0)) == (Decided((), Position(1)), Decided((), Position(1), repeated=True))


@pytest.mark.guarantee("G4")
def test_one_who_asks_the_same_at_the_same_time_gets_the_first_outcome() -> None:
    async def same(backend: CountingBackend) -> None:
        await handle_within(backend, runtime(), TOTALS, Deposit(5), "total-1", Context(), "k")

    assert asked(CountingBackend(same), 5) == Decided((Deposited(5),), Position(1), repeated=True)


@pytest.mark.guarantee("G4")
def test_a_key_is_of_one_command_on_one_stream() -> None:
    backend = CountingBackend()
    asked(backend, 1)
    for amount, stream in ((2, "total-1"), (1, "total-2")):
        with pytest.raises(KeyReused):
            asked(backend, amount, stream=stream)
    assert backend.calls["append"] == 1
