"""Which tests are asked about a mutant: those that touch its function, the narrowest and fastest first, within a budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lesson:
    """What was seen of one test with nothing planted: its seconds of CPU, and the functions that it touched."""

    test: str
    seconds: float
    touched: Sequence[str]
    failed: bool = False


def function_of(mutant: str) -> str:
    """The function that a mutant is one of."""
    return mutant.rpartition("__mutmut_")[0]


def chosen(lessons: Iterable[Lesson], functions: Iterable[str], budget: float) -> dict[str, tuple[str, ...]]:
    """Of each function the tests that are asked, fastest first.

    A test that touches few functions is more likely about this one than a test that touches all, and of fast ones there is
    room for many. So the narrow and the fast come in first.
    """
    touching: dict[str, list[Lesson]] = {function: [] for function in functions}
    for lesson in sorted(lessons, key=lambda lesson: (len(lesson.touched) * lesson.seconds, lesson.test)):
        for function in touching.keys() & lesson.touched:
            touching[function].append(lesson)
    return {function: _within(budget, tests) for function, tests in touching.items()}


def _within(budget: float, lessons: Sequence[Lesson]) -> tuple[str, ...]:
    taken, left = list[Lesson](), budget
    for lesson in lessons:
        if lesson.seconds <= left:
            taken.append(lesson)
            left -= lesson.seconds
    taken = taken or sorted(lessons, key=lambda lesson: lesson.seconds)[:1]
    return tuple(lesson.test for lesson in sorted(taken, key=lambda lesson: lesson.seconds))
