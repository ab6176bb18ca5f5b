"""Which tests are asked about a mutant: those that touch its function, the nearest and fastest first, within a budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_AFTER: Final = 4
"""How many times as far the tests of a file are as those of the file before it."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What was seen of one test with nothing planted: its seconds of CPU, and the functions that it touched."""

    test: str
    seconds: float
    touched: Collection[str]
    failed: bool = False


def function_of(mutant: str) -> str:
    """The function that a mutant is one of."""
    return mutant.rpartition("__mutmut_")[0]


def room_of(function: str) -> str:
    """The module that a function, or a method, stands in."""
    return function.rpartition(".")[0]


def chosen(
    lessons: Iterable[Lesson], functions: Iterable[str], budget: float, files: Sequence[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Of each function the tests that are asked, fastest first.

    A test of which most is in this room is more likely about it than one that passes through, and of fast ones there is room
    for many. So those come in first; and of the files of a room those that are named first.
    """
    touching: dict[str, list[tuple[float, Lesson]]] = {function: [] for function in functions}
    for lesson in lessons:
        inside = Counter(map(room_of, lesson.touched))
        for function in touching.keys() & lesson.touched:
            distance = _distance(lesson, inside[room_of(function)]) * _AFTER ** _place(lesson, files)
            touching[function].append((distance, lesson))
    return {function: _within(budget, _sorted(tests)) for function, tests in touching.items()}


def _distance(lesson: Lesson, inside: int) -> float:
    return lesson.seconds * len(lesson.touched) / inside**2


def _place(lesson: Lesson, files: Sequence[str]) -> int:
    file = lesson.test.partition("::")[0]
    return files.index(file) if file in files else 0


def _sorted(tests: Iterable[tuple[float, Lesson]]) -> Sequence[Lesson]:
    return [lesson for _, lesson in sorted(tests, key=lambda test: (test[0], test[1].test))]


def _within(budget: float, lessons: Sequence[Lesson]) -> tuple[str, ...]:
    taken, left = list[Lesson](), budget
    for lesson in lessons:
        if lesson.seconds <= left:
            taken.append(lesson)
            left -= lesson.seconds
    taken = taken or sorted(lessons, key=lambda lesson: lesson.seconds)[:1]
    return tuple(lesson.test for lesson in sorted(taken, key=lambda lesson: lesson.seconds))
