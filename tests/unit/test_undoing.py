"""Undo and redo, planned over values: what would do it, in which order, and each thing that is in the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec
import pytest

from refold import CannotUndo, Fold, Recorded, StreamName, redoes, undoes
from refold.marks import Fact, Marks
from refold.messages import Metadata, Position
from refold.testing.contract.sample import Deposited, Withdrawn
from refold.undoing import History, Obstacle, Redo, Undo, UndoStep, id_of, planned


def evolve(balance: int, event: Deposited | Withdrawn) -> int:
    return balance + (event.amount if isinstance(event, Deposited) else -event.amount)


def is_larger(event: Deposited, later: object) -> bool:
    return isinstance(later, Withdrawn) and later.amount > event.amount


@undoes(Deposited, needed_by=is_larger)
def taken_back(event: Deposited, balance: int) -> Iterator[Withdrawn]:
    if balance < event.amount:
        raise CannotUndo(f"only {balance} is left")
    if event.amount:
        yield Withdrawn(event.amount)


@redoes(Deposited)
def paid_again(event: Deposited, balance: int) -> Iterator[Deposited]:
    yield Deposited(event.amount + balance)


FOLD: Fold[int, Any] = Fold("account", int, evolve, inverses=(taken_back, paid_again))


def uuid(number: int | None) -> Any:
    return None if number is None else UUID(int=number)


def fact(number: int, *causes: int, stream: str = "account-1", undoes: int | None = None) -> Fact:
    told = tuple(map(uuid, causes))
    return Fact(uuid(number), "n", stream, number, Position(number), "story", told, uuid(undoes), None)


def recorded(number: int, data: object, stream: str = "account-1", **other: Any) -> Recorded[Any]:
    event = Recorded[Any](
        data, "n", 1, StreamName.parse(stream), number, Position(number), datetime(2026, 11, 30, tzinfo=UTC),
        uuid(number), frozenset(), Metadata("story"),
    )  # fmt: skip
    return msgspec.structs.replace(event, **other)


def history(*events: Recorded[Any], version: int = 9) -> dict[str, History]:
    return {"account-1": History.of(FOLD, version, events)}


FIVE, THREE = recorded(1, Deposited(5)), recorded(2, Deposited(3))
ONE, TWO, DASHED = fact(1), fact(2), fact(1, stream="account-1-2")


def test_what_undoes_events_is_proposed_last_first_each_upon_the_state_that_is_left() -> None:
    plan = planned(Undo, Marks([ONE, TWO]), history(FIVE, THREE), [ONE, TWO], [])
    steps = (UndoStep(THREE, (Withdrawn(3),)), UndoStep(FIVE, (Withdrawn(5),)))
    assert plan == Undo(steps, (), {"account-1": 9})
    assert (plan.is_possible, plan.way) == (True, "undo")


def test_what_was_undone_is_redone_in_order_by_its_inverse_or_as_it_was() -> None:
    taken = recorded(3, Withdrawn(2))
    marks = Marks([ONE, TWO, fact(3), fact(4, undoes=1), fact(5, undoes=3)])
    back, again = recorded(4, Withdrawn(5)), recorded(5, Deposited(2))
    plan = planned(Redo, marks, history(FIVE, THREE, taken, back, again), [fact(3), ONE], [])
    assert plan == Redo((UndoStep(FIVE, (Deposited(8),)), UndoStep(taken, (Withdrawn(2),))), (), {"account-1": 9})
    assert plan.way == "redo"


def test_the_parts_of_an_event_go_together_the_last_one_first() -> None:
    first, second = recorded(1, Deposited(5), part=1, parts=2), recorded(1, Deposited(3), part=2, parts=2)
    marks = Marks([ONE])
    step = UndoStep(first, (Withdrawn(3), Withdrawn(5)), (second,))
    assert planned(Undo, marks, history(first, second), [ONE], []) == Undo((step,), (), {"account-1": 9})


def in_the_way(*reasons: tuple[int, str]) -> tuple[Obstacle, ...]:
    return tuple(Obstacle(uuid(number), f"account-1@{number} (n)", reason) for number, reason in reasons)


@pytest.mark.parametrize(
    ("facts", "events", "obstacles"),
    [
        ([ONE], {}, in_the_way((1, "no fold of category 'account' was given"))),
        ([DASHED], {}, (Obstacle(uuid(1), "account-1-2@1 (n)", "no fold of category 'account' was given"),)),
        ([ONE], history(THREE), in_the_way((1, "it is read as nothing, so there is nothing to undo"))),
        (
            [ONE],
            history(recorded(1, Withdrawn(5))),
            in_the_way((1, "fold 'account' declares no inverse of it: @undoes(Withdrawn)")),
        ),
        ([ONE, fact(2, 1)], history(FIVE, THREE), in_the_way((1, "it caused account-1@2 (n), which stands"))),
        ([ONE, TWO], history(FIVE, recorded(2, Withdrawn(6))), in_the_way((1, "account-1@2 (n) needs it"))),
        ([ONE, TWO], history(FIVE, recorded(2, Withdrawn(4))), in_the_way((1, "only 1 is left"))),
        (
            [ONE],
            history(recorded(1, Deposited(0))),
            in_the_way((1, "its inverse yields nothing, so no fact would tell that it was undone")),
        ),
    ],
    ids=[
        "no fold",
        "no fold, a dash",
        "read as nothing",
        "no inverse",
        "an effect",
        "needed",
        "its state",
        "no event",
    ],
)
def test_what_is_in_the_way_of_undoing_is_told(
    facts: list[Fact], events: dict[str, History], obstacles: tuple[Obstacle, ...]
) -> None:
    plan = planned(Undo, Marks(facts), events, facts[:1], [])
    assert (plan, plan.is_possible) == (Undo((), obstacles, {}), False)


def test_what_is_in_the_way_of_redoing_is_told() -> None:
    facts = [ONE, fact(2, 1), fact(3, undoes=2), fact(4, undoes=1), fact(5, 3)]
    events = history(FIVE, recorded(2, Withdrawn(6)), recorded(3, Deposited(6)), recorded(4, Withdrawn(5)))
    plan = planned(Redo, Marks(facts), events, [fact(2, 1)], [])
    assert plan.obstacles == in_the_way(
        (2, "undoing it caused account-1@5 (n), which stands"),
        (2, "account-1@1 (n) caused it, and is undone"),
        (2, "it needs account-1@1 (n), which is undone"),
    )


def test_one_that_redid_an_event_is_needed_by_another_that_redid_it_with_it() -> None:
    first, second = (msgspec.structs.replace(fact(number), redoes=uuid(1)) for number in (3, 4))
    facts = [ONE, fact(2, undoes=1), first, second, fact(5)]
    events = [Deposited(5), Withdrawn(5), Deposited(5), Withdrawn(6), Deposited(9)]
    told = history(*(recorded(number, event) for number, event in enumerate(events, 1)))
    alone = planned(Undo, Marks(facts), told, [first], [])
    assert alone == Undo((), in_the_way((3, "account-1@4 (n) needs it")), {})


def test_the_parts_of_an_event_are_redone_in_their_order() -> None:
    first, second = recorded(1, Deposited(5), part=1, parts=2), recorded(1, Deposited(3), part=2, parts=2)
    plan = planned(Redo, Marks([ONE, fact(2, undoes=1)]), history(first, second, recorded(2, Withdrawn(8))), [ONE], [])
    assert plan == Redo((UndoStep(first, (Deposited(5), Deposited(8)), (second,)),), (), {"account-1": 9})


@pytest.mark.parametrize(
    ("other", "is_undone", "amount"),
    [(1, False, 6), (1, True, 4), (3, True, 6)],
    ids=["it stands", "it is not needed", "it came later"],
)
def test_an_event_that_does_not_matter_is_not_in_the_way_of_redoing(
    other: int, amount: int, *, is_undone: bool
) -> None:
    taken = recorded(2, Withdrawn(amount))
    facts = [fact(other), TWO, fact(4, undoes=2), *([fact(5, undoes=other)] if is_undone else [])]
    events = history(recorded(other, Deposited(5)), taken)
    plan = planned(Redo, Marks(facts), events, [TWO], [])
    assert plan == Redo((UndoStep(taken, (taken.data,)),), (), {"account-1": 9})


def test_what_is_redone_with_it_is_not_in_the_way() -> None:
    facts = [ONE, fact(2, 1), fact(3, undoes=2), fact(4, undoes=1)]
    events = history(FIVE, recorded(2, Withdrawn(6)), recorded(3, Deposited(6)), recorded(4, Withdrawn(5)))
    assert planned(Redo, Marks(facts), events, [fact(2, 1), ONE], []).obstacles == ()


def test_behind_an_obstacle_nothing_more_is_proposed_in_its_stream() -> None:
    larger = recorded(2, Withdrawn(6))
    plan = planned(Undo, Marks([ONE, TWO]), history(FIVE, larger), [ONE, TWO], [Obstacle(None, "there", "missing")])
    first = Obstacle(None, "there", "missing")
    assert plan.steps == ()
    assert plan.obstacles == (first, *in_the_way((2, "fold 'account' declares no inverse of it: @undoes(Withdrawn)")))
    assert str(first) == "there: missing"


def test_what_does_it_has_the_same_id_each_time() -> None:
    assert id_of("undo", uuid(1), 2) == uuid5(uuid(1), "undo:2")
