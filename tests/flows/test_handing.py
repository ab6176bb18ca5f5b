"""Handing: which states are left for the next command of a transaction, and which fold has a way of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace
from tests.flows.counting import runtime

from refold import Fold, Position
from refold.flows.handing import hand_on, take_over
from refold.flows.load import Loaded
from refold.flows.shortcuts import Shortcut
from refold.testing.contract.sample import Deposited, accounts, notes

LEFT = Loaded(7, 2, Position(5))
OF_NOTES = replace(runtime(), shortcuts={notes: Shortcut(None, None)})


def with_group(handed: dict[object, Any] | None) -> Any:
    """A backend in a transaction that several flows share, or in none."""
    return SimpleNamespace(handed=handed)


def growing(seen: list[int], event: Deposited) -> list[int]:
    return [*seen, event.amount]


def test_a_state_is_taken_over_by_who_comes_next_on_its_stream_and_by_nobody_else() -> None:
    group = with_group({})
    hand_on(group, OF_NOTES, accounts, "account-1", LEFT)
    assert take_over(group, OF_NOTES, accounts, "account-1") == LEFT
    assert take_over(group, OF_NOTES, accounts, "account-2") is None
    assert take_over(group, runtime(), notes, "account-1") is None


def test_without_a_transaction_that_is_shared_nothing_is_handed_on() -> None:
    elsewhere: Any = object()  # a backend that knows of no such transactions
    for backend in (with_group(None), elsewhere):
        hand_on(backend, runtime(), accounts, "account-1", LEFT)
        assert take_over(backend, runtime(), accounts, "account-1") is None


@pytest.mark.parametrize(
    "runtime", [OF_NOTES, replace(runtime(), verifying=True)], ids=["a fold with a shortcut", "a store that verifies"]
)
def test_a_state_that_has_another_way_is_neither_left_nor_taken(runtime: Any) -> None:
    group = with_group({})
    left: Loaded[tuple[str, ...]] = Loaded(("a",), 1, Position(1))
    hand_on(group, runtime, notes, "note-1", left)
    assert group.handed == {}
    assert take_over(with_group({(notes, "note-1"): LEFT}), runtime, notes, "note-1") is None


def test_a_state_that_can_be_changed_in_place_is_not_handed_on() -> None:
    group, fold = with_group({}), Fold[list[int], Deposited]("grown", list, growing)
    left: Loaded[list[int]] = Loaded([7], 1, Position(1))
    hand_on(group, runtime(), fold, "grown-1", left)
    assert group.handed == {}
