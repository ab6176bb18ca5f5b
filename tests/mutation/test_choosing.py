"""Which tests a mutant is put to, and when a room is below the mark."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from tests.mutation.choosing import Lesson, chosen, function_of
from tests.mutation.telling import Score, kept, score_of, source_of, survivors

ABOUT = Lesson("about", 0.2, ["room.f", "room.g", "other.h"])
THROUGH = Lesson("through", 0.1, ["room.f", "other.h", "other.i"])
SLOW = Lesson("slow", 3.0, ["room.f", "room.g"])


def test_those_that_are_about_the_room_come_in_first_and_the_fastest_of_them_run_first() -> None:
    assert chosen([THROUGH, SLOW, ABOUT], ["room.f"], 0.35) == {"room.f": ("through", "about")}
    assert chosen([THROUGH, SLOW, ABOUT], ["room.f"], 0.25) == {"room.f": ("about",)}


def test_of_tests_that_are_about_as_near_those_of_the_file_that_is_named_first_come_in() -> None:
    first, second = (
        Lesson(f"{file}::test", seconds, ["room.f"]) for file, seconds in (("first", 0.3), ("second", 0.2))
    )
    assert chosen([second, first], ["room.f"], 0.4, ["first", "second"]) == {"room.f": ("first::test",)}
    assert chosen([second, first], ["room.f"], 0.4, ["second", "first"]) == {"room.f": ("second::test",)}
    assert chosen([second, first], ["room.f"], 0.4) == {"room.f": ("second::test",)}


def test_a_function_that_only_slow_tests_touch_is_put_to_the_fastest_of_them() -> None:
    slower = Lesson("slower", 5.0, ["room.f"])
    assert chosen([slower, SLOW], ["room.f", "untouched"], 1.0) == {"room.f": ("slow",), "untouched": ()}


def test_a_mutant_is_one_of_its_function() -> None:
    assert function_of("refold.query.x_holds__mutmut_12") == "refold.query.x_holds"


@pytest.mark.parametrize(("killed", "below"), [(84, True), (85, False)])
def test_a_room_is_below_the_mark_if_too_few_are_killed(killed: int, below: bool) -> None:
    assert Score("query", 100, killed).is_below_the_mark is below


def test_a_mutant_that_no_test_touches_counts_as_one_that_survived() -> None:
    found = {"a": "killed", "b": "hung", "c": "survived", "d": "untouched"}
    changes = {name: f"-{name}\n+{name}!" for name in "abcd"}
    assert score_of("query", found, date(2026, 11, 30)) == Score("query", 4, 2, "2026-11-30", source_of("query"))
    assert survivors(found, changes) == "c survived\n-c\n+c!\n\nd untouched\n-d\n+d!\n"


def test_a_score_is_kept_until_its_room_is_changed_or_tried_again(tmp_path: Path) -> None:
    query, fold = (Score(room, 4, 2, "2026-11-30", source_of(room)) for room in ("query", "fold"))
    stale, again = replace(query, source="another"), replace(fold, killed=4)
    assert kept([fold, query], tmp_path / "scores") == [query, fold]
    assert kept([again], tmp_path / "scores") == [query, again]
    assert kept([stale], tmp_path / "scores") == [again]
