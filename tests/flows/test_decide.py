"""Decisions on composed models: what others append within the boundary is decided on again, what is outside is not seen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.flows.counting import CountingBackend, Meanwhile, runtime

from refold import Conflict, compose
from refold._bridge.stepping import run_sync
from refold.flows.append import append
from refold.flows.decide import Decided, decide
from refold.flows.transact import ATTEMPTS
from refold.messages import Context
from refold.query import ANY
from refold.testing.contract.sample import Course, CourseDefined, CourseFull, Joined, courses, join, students

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
    with pytest.raises(Conflict, match="an event that matches"):
        decided(backend)
