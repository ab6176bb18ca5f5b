"""Folds and models as values: whose events they fold, what bounds a decision, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, cast

import pytest

from refold import (
    Decider,
    Fold,
    InvalidName,
    Query,
    Recorded,
    Send,
    StreamName,
    UsageError,
    compose,
    redoes,
    undoes,
)
from refold.fold import checked_fold, decided, parameter_classes
from refold.inverse import Inverse
from refold.testing.contract.sample import Deposited, Withdrawn, accounts, courses, students


class Alias:
    """What `type Alias = Deposited | Withdrawn` is at run time, in an interpreter that has the statement."""

    __value__ = Deposited | Withdrawn


def in_an_alias(state: int, event: Alias) -> int:
    return state


def annotated(state: int, event: Annotated[Deposited, "said"] | Recorded[Withdrawn] | Deposited) -> int:
    return state


def unreadable(*given: Any) -> Any:
    return given[0]


@pytest.mark.parametrize("evolve", [in_an_alias, annotated])
def test_the_classes_of_a_folds_events_are_read_from_its_annotation_each_once(evolve: Any) -> None:
    assert Fold("some", int, evolve).event_types == (Deposited, Withdrawn)


def test_a_fold_whose_classes_cannot_be_read_says_what_to_write() -> None:
    with pytest.raises(UsageError) as refused:
        parameter_classes(unreadable, 1, "Fold('some', ..., events=(...))")
    assert str(refused.value) == (
        f"the event classes cannot be read from the annotations of {unreadable!r} (IndexError('list index out of range')): "
        "annotate parameter 2 with their union, or name them, as in Fold('some', ..., events=(...))."
    )


def test_a_state_of_none_is_a_state_as_any_other_and_not_the_start() -> None:
    def evolve(state: int | None, event: Deposited | Withdrawn) -> int | None:
        return None if isinstance(event, Withdrawn) else (state or 0) + event.amount

    fold = Fold("some", lambda: 100, evolve)
    assert (fold([Deposited(1)]), fold([Deposited(1)], 7), fold([Deposited(1)], None)) == (101, 8, 1)
    assert (fold([]), fold([], 0), fold([], None)) == (100, 0, None)


def test_a_fold_has_one_inverse_for_one_event_and_way() -> None:
    one: Inverse[Any, Any] = undoes(Deposited)(lambda event, state: ())
    assert Fold("some", int, annotated, inverses=(one,)).inverses == (one,)
    with pytest.raises(
        UsageError, match="fold 'some' has two inverses that undo Deposited: one function for one event"
    ):
        Fold("some", int, annotated, inverses=(one, one))


@pytest.mark.parametrize(
    "fold", [Fold("some", int, annotated), Decider("some", int, annotated, unreadable)], ids=["fold", "decider"]
)
def test_a_fold_is_scoped_by_names_that_can_be_tags(fold: Any) -> None:
    with pytest.raises(InvalidName) as refused:
        fold.tagged("t:1", "")
    assert (refused.value.kind, refused.value.name) == ("tag", "")


def test_a_model_is_bounded_by_what_it_reads_unless_it_is_guarded() -> None:
    model, narrower = compose(courses.tagged("course:db"), students.tagged("student:ann")), Query.of(tags=["course:db"])
    assert (model.guard, model.guarded_by(narrower).guard) == (None, narrower)
    assert model.guarded_by(narrower).query == model.query


def test_a_model_evolves_as_many_states_as_it_has_parts() -> None:
    model = compose(accounts.tagged("t:1"))
    with pytest.raises(ValueError, match="zip"):
        model.evolve((*model.initial(), 0), Deposited(1), "account.deposited", frozenset())


def test_a_decider_addresses_commands_to_its_instances() -> None:
    decider = Decider("some", int, annotated, unreadable)
    sent = decider.send("7", "command")
    assert (sent, sent.otherwise("event")) == (Send("some", "7", "command"), Send("some", "7", "command", "event"))
    assert (decider.stream("7"), decider.tagged("t:1").decide) == (StreamName("some", "7"), unreadable)


def test_a_fold_knows_how_each_event_is_undone_and_redone() -> None:
    back: Inverse[Any, Any] = undoes(Deposited)(lambda event, state: ())
    again: Inverse[Any, Any] = redoes(Withdrawn)(lambda event, state: ())
    fold = Fold("some", int, annotated, inverses=(back, again))
    asked = [fold.inverse(way, cls) for way in ("undo", "redo") for cls in (Deposited, Withdrawn)]
    assert asked == [back, None, None, again]


@pytest.mark.parametrize(
    ("attempt", "told"),
    [
        (
            lambda: Fold("some", cast("Any", 7), annotated),
            "fold 'some' has initial=7: give what makes the state, such as its class, or lambda: ...",
        ),
        (
            lambda: Fold("some", int, annotated, events=cast("Any", Deposited)),
            "events=<class 'refold.testing.contract.sample.Deposited'> is no collection: write it into one, [...].",
        ),
        (
            lambda: Decider("some", int, annotated, unreadable).send("7", Deposited),
            "send() was given the class Deposited, and takes one of it: write Deposited(...).",
        ),
        (
            lambda: Send("some", "7", "command").otherwise(Deposited),
            "otherwise() was given the class Deposited, and takes one of it: write Deposited(...).",
        ),
        (
            lambda: decided(cast("Any", 7)),
            "decide gave 7, and no collection of events: let it yield them, or return them in a list.",
        ),
        (lambda: checked_fold(7), "7 is no fold or decider: take what Fold(...) or Decider(...) gave."),
        (cast("Any", compose), "compose() has nothing to decide on: give it folds over tags, fold.tagged(...)."),
        (lambda: compose(cast("Any", 7)), "compose takes folds over tags, fold.tagged(...), not 7."),
    ],
    ids=["initial", "events", "a class to send", "a class to come back", "no events", "no fold", "no parts", "no part"],
)  # fmt: skip
def test_what_is_no_fold_or_event_is_refused_with_a_way_out(attempt: Callable[[], object], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        attempt()
    assert str(refused.value) == told


def test_what_a_decision_yields_is_gathered() -> None:
    assert decided(iter([Deposited(1), Deposited(2)])) == (Deposited(1), Deposited(2))
    checked_fold(accounts)
