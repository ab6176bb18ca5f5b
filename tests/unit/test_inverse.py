"""Inverses as values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from refold import UsageError, redoes, undoes
from refold.inverse import Inverse
from refold.testing.contract.sample import Deposited, Withdrawn


def taken_back(event: Deposited, state: int) -> Iterator[Withdrawn]:
    if state:
        yield Withdrawn(event.amount)


def by_withdrawals(event: Deposited, later: object) -> bool:
    return isinstance(later, Withdrawn)


def test_what_undoes_an_event_is_proposed_by_its_function_given_the_state() -> None:
    inverse = undoes(Deposited, needed_by=by_withdrawals)(taken_back)
    assert inverse == Inverse("undo", Deposited, taken_back, by_withdrawals)
    assert (inverse(Deposited(3), 5), inverse(Deposited(3), 0)) == ((Withdrawn(3),), ())


@pytest.mark.parametrize(("made", "way"), [(undoes, "undo"), (redoes, "redo")])
def test_nothing_stands_on_an_event_unless_the_inverse_says_so(made: Any, way: str) -> None:
    inverse = made(Deposited)(taken_back)
    assert (inverse.way, inverse.event, inverse.propose) == (way, Deposited, taken_back)
    assert inverse.needed_by(Deposited(3), Withdrawn(3)) is False


def test_what_is_no_event_has_no_inverse() -> None:
    with pytest.raises(UsageError):
        undoes(int)
