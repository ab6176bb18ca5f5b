"""Laws of folds, deciders and composed models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refold import Fold, RawEvent, UsageError, compose
from refold.testing import strategies as refold_st
from refold.testing.contract.sample import Deposited, Withdrawn, accounts, courses, students

HISTORIES = refold_st.histories(Deposited, Withdrawn)


@given(HISTORIES, HISTORIES)
def test_folding_all_is_folding_the_rest_onto_the_beginning(a: tuple[Deposited, ...], b: tuple[Deposited, ...]) -> None:
    assert accounts(a + b) == accounts(b, accounts(a))


@given(HISTORIES)
def test_a_fold_is_a_reduction(events: tuple[Deposited | Withdrawn, ...]) -> None:
    assert accounts(events) == reduce(accounts.evolve, events, accounts.initial())
    assert accounts(()) == accounts.initial()


@given(refold_st.histories_of(accounts))
def test_histories_of_a_fold_hold_its_events(events: tuple[object, ...]) -> None:
    assert {type(event) for event in events} <= {Deposited, Withdrawn}


@given(st.lists(st.tuples(st.sampled_from(["db", "ml"]), st.sampled_from(["ann", "bob"])), max_size=12))
def test_each_part_of_a_model_is_what_it_would_be_alone(pairs: list[tuple[str, str]]) -> None:
    from refold.testing.contract.sample import Joined  # noqa: PLC0415 - named only here

    parts = (courses.tagged("course:db"), students.tagged("student:ann"))
    model, states = compose(*parts), compose(*parts).initial()
    events = [Joined(course, student) for course, student in pairs]
    for event in events:
        states = model.evolve(
            states, event, "course.joined", frozenset({f"course:{event.course}", f"student:{event.student}"})
        )
    alone = (courses([e for e in events if e.course == "db"]), students([e for e in events if e.student == "ann"]))
    assert states == alone


def test_a_models_query_is_that_of_its_parts() -> None:
    one, other = courses.tagged("course:db"), students.tagged("student:ann")
    assert compose(one, other).query == one.query | other.query
    assert compose(one).event_types == courses.event_types


@dataclass(frozen=True)
class Nothing:
    """A state."""


@pytest.mark.parametrize(
    "evolve", [lambda state, event: state, len, lambda: None], ids=["lambda", "built-in", "no-parameter"]
)
def test_a_fold_whose_events_cannot_be_read_says_how_to_name_them(evolve: object) -> None:
    with pytest.raises(UsageError, match="annotate parameter 2 with their union, or name them"):
        Fold("a", Nothing, evolve).event_types  # type: ignore[arg-type] # noqa: B018 - asked for, to see it fail
    assert Fold("a", Nothing, lambda state, event: state, events=(RawEvent,)).event_types == (RawEvent,)
