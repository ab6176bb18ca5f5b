"""given / when / then: what it says when the outcome is another than was expected."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from refold import Effect, Process, Recorded, UsageError, after, finish
from refold.testing import spec
from refold.testing.contract.sample import Deposit, Deposited, Noted, Overdrawn, Withdraw, Withdrawn, accounts, notes

given = spec(accounts)


def test_a_right_expectation_passes() -> None:
    given(Deposited(5)).when(Withdraw(2)).then(Withdrawn(2))
    given().when(Deposit(0)).then_nothing()
    given().when(Withdraw(1)).then_raises(Overdrawn)
    spec(notes)(Noted("a")).doing(lambda texts: [Noted(text + "b") for text in texts]).then(Noted("ab"))
    assert given(Deposited(5), Withdrawn(2)).state == 3


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            lambda: given().when(Deposit(1)).then(Deposited(2)),
            r"expected: Deposited\(amount=2.*\n.*actual:   Deposited\(amount=1",
        ),
        (lambda: given().when(Deposit(1)).then_nothing(), r"expected: nothing\n"),
        (
            lambda: given().when(Deposit(1)).then_raises(Overdrawn),
            r"expected: Overdrawn\n.*actual:   Deposited\(amount=1",
        ),
        (lambda: given().when(Withdraw(1)).then(Withdrawn(1)), r"actual:   it raised Overdrawn\(\)"),
        (lambda: given().when(Withdraw(1)).then_raises(KeyError), r"expected: KeyError\n.*it raised Overdrawn\(\)"),
        (lambda: given().when(Withdraw(1)).then_raises(Overdrawn, "why"), r"expected: Overdrawn with 'why'"),
    ],
    ids=["other-event", "something", "no-error", "an-error", "other-error", "other-text"],
)
def test_a_wrong_expectation_shows_both(wrong: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        wrong()


def react(event: Recorded[Deposited | Withdrawn], seen: int) -> list[Effect]:
    if isinstance(event.data, Withdrawn):
        return [finish()]
    return [after(timedelta(seconds=seen), event.data), accounts.send(event.stream.id, Deposit(event.version))]


def test_a_process_sees_the_state_before_the_event_and_its_place() -> None:
    counting = Process("counting", int, react, lambda seen, event: seen + 1)
    case = spec(counting)(Deposited(1), Deposited(2))
    case.when(Deposited(3), id="x").then(after(timedelta(seconds=2), Deposited(3)), accounts.send("x", Deposit(3)))
    case.when(Withdrawn(1)).then(finish())
    assert counting.event_types == (Deposited, Withdrawn)


@pytest.mark.parametrize("subject", [None, Deposited, react, accounts.decide])
def test_other_subjects_are_refused(subject: Any) -> None:
    with pytest.raises(UsageError, match="takes a Decider, a Fold"):
        spec(subject)
