"""Which events stand, which are undone, and what caused what, as it follows from the marks of events."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from refold.marks import Fact, Marks
from refold.messages import Position


def fact(number: int, *causes: int, undoes: int | None = None, redoes: int | None = None, stream: str = "a-1") -> Fact:
    others: Any = [None if id is None else UUID(int=id) for id in (undoes, redoes)]
    return Fact(
        UUID(int=number), "n", stream, number, Position(number), "story", tuple(UUID(int=id) for id in causes), *others
    )


# 2 was caused by 1; 1 is undone by 3, redone as 4, undone by 5, redone as 6; 7 was caused by 6; 8 is undone by 9 for good.
ONE, TWO, UNDO, AGAIN = fact(1), fact(2, 1), fact(3, undoes=1), fact(4, redoes=1)
UNDO_AGAIN, THIRD, LATER = fact(5, undoes=4), fact(6, redoes=4), fact(7, 6)
GONE, FOR_GOOD, LEFT = fact(8), fact(9, undoes=8), fact(10, 8, 99)
ALL = [ONE, TWO, UNDO, AGAIN, UNDO_AGAIN, THIRD, LATER, GONE, FOR_GOOD, LEFT]


@pytest.fixture
def marks() -> Marks:
    return Marks(reversed(ALL))


def test_facts_are_kept_in_the_order_of_their_positions(marks: Marks) -> None:
    assert list(marks.facts.values()) == ALL
    assert marks.undoing == {ONE.id: [UNDO], AGAIN.id: [UNDO_AGAIN], GONE.id: [FOR_GOOD]}
    assert ONE.place == "a-1@1 (n)"


def test_what_was_undone_does_not_stand_and_neither_does_what_undoes(marks: Marks) -> None:
    assert [each for each in ALL if marks.stands(each)] == [TWO, THIRD, LATER, LEFT]


def test_what_was_redone_is_not_undone_any_more(marks: Marks) -> None:
    assert [each for each in ALL if marks.is_undone(each)] == [GONE]


def test_an_event_is_now_what_redid_it_the_last_time_and_was_first_what_it_redoes(marks: Marks) -> None:
    assert [list(marks.latest(each.id)) for each in (ONE, AGAIN, TWO)] == [[THIRD], [THIRD], [TWO]]
    assert [marks.first(each) for each in (THIRD, AGAIN, ONE, UNDO)] == [ONE, ONE, ONE, UNDO]
    assert list(marks.latest(UUID(int=99))) == []


def test_what_redoes_an_event_that_is_not_here_is_the_first_that_is_known() -> None:
    alone = fact(2, redoes=1)
    assert Marks([alone]).first(alone) == alone


def test_what_an_event_caused_is_found_whatever_it_stands_as(marks: Marks) -> None:
    assert [list(marks.effects(each)) for each in (ONE, AGAIN, THIRD)] == [[TWO, LATER]] * 3
    assert (list(marks.effects(GONE)), list(marks.effects(TWO))) == ([LEFT], [])


def test_an_event_is_left_without_its_cause_if_that_does_not_stand_as_anything(marks: Marks) -> None:
    assert [list(marks.undone_causes(each)) for each in (TWO, LATER, LEFT)] == [[], [], [GONE]]


def test_what_was_caused_by_an_undoing_has_not_lost_its_cause() -> None:
    told = fact(11, 9)
    assert list(Marks([*ALL, told]).undone_causes(told)) == []


def test_an_effect_that_was_undone_is_none_any_more() -> None:
    assert list(Marks([*ALL, fact(12, undoes=2)]).effects(ONE)) == [LATER]


def test_what_a_process_did_because_of_an_event_was_caused_by_it_and_that_it_has_looked_was_not() -> None:
    journal = "$process.watch-1"
    cause, looked, sent = fact(1), fact(2, 1, stream=journal), fact(3, 1, stream=journal)
    effect, timer, later = fact(4, 3), fact(5, 3, stream=journal), fact(6, 5)
    marks = Marks([cause, looked, sent, effect, timer, later])
    assert marks.effects(cause) == [effect, later]
    assert Marks([cause, looked]).effects(cause) == []

    undone = Marks([cause, looked, sent, effect, timer, later, fact(7, undoes=6), fact(8, undoes=1)])
    assert undone.effects(cause) == [effect]
    assert list(undone.undone_causes(later)) == [cause]
    assert list(marks.undone_causes(later)) == []


def test_facts_that_lead_in_a_circle_are_walked_once() -> None:
    one, other = fact(1, 2, stream="$process.a-1"), fact(2, 1, stream="$process.a-1")
    assert Marks([one, other]).effects(one) == []
