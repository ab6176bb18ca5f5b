"""Shortcuts: how many states a cache holds and which, when one is due to be saved, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from refold import Fold, Snapshots, UsageError
from refold.flows.shortcuts import Saving, Standing, StateCache, cache_for
from refold.testing.contract.sample import accounts


def at(version: int, state: int = 0) -> Standing[int]:
    return Standing(state, version, version, 0)


def test_a_cache_holds_those_that_were_used_last() -> None:
    cache = StateCache(2)
    for stream in ("a", "b"):
        cache.learn(stream, at(1))
    assert cache.get("a") == at(1)
    cache.learn("c", at(1))
    assert ([cache.get(stream) for stream in "abc"], len(cache), cache.room) == ([at(1), None, at(1)], 2, 2)
    cache.learn("a", at(2))
    cache.learn("d", at(1))
    assert [cache.get(stream) for stream in "acd"] == [at(2), None, at(1)]


def test_a_cache_keeps_what_stands_further_and_of_two_as_far_the_one_that_came_last() -> None:
    cache = StateCache(2)
    for standing in (at(2, 7), at(1, 8)):
        cache.learn("a", standing)
    assert cache.get("a") == at(2, 7)
    cache.learn("a", at(2, 9))
    assert cache.get("a") == at(2, 9)
    cache.forget("a")
    cache.forget("unknown")
    assert (cache.get("a"), len(cache)) == (None, 0)


def test_a_state_is_due_when_its_policy_says_so_and_never_if_that_fails_or_is_in_vain() -> None:
    def raising(*_: object) -> Any:
        raise ValueError

    every = Saving(accounts, Snapshots(every=2))
    assert [every.is_due("a", at(version), 0) for version in (1, 2)] == [False, True]
    every.given_up = True
    assert every.is_due("a", at(2), 0) is False
    assert Saving(accounts, Snapshots(when=raising)).is_due("a", at(2), 0) is False
    assert Saving(accounts, Snapshots(every=2)).given_up is False


def test_a_stream_whose_state_could_not_be_saved_has_its_turn_again_when_it_is_twice_as_long() -> None:
    saving = Saving(accounts, Snapshots(every=1))
    assert saving.complaint() == ""
    saving.refuse("a", 3)
    assert [saving.is_due("a", at(version), 0) for version in (4, 5, 6)] == [False, False, True]
    assert saving.is_due("b", at(4), 0) is True
    assert saving.complaint() == (
        "the state of 'a' at version 3 cannot be saved, since it would not read back the same; of fold 'account' this may be so "
        "of others, too. bind(...).snapshot(id) says why."
    )
    saving.refuse("b", 3)
    assert saving.complaint() == ""


def test_of_so_many_streams_it_is_known_that_a_state_could_not_be_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refold.flows.shortcuts.REFUSED", 2)
    saving = Saving(accounts, Snapshots(every=1))
    for stream in "abc":
        saving.refuse(stream, 3)
    assert [saving.is_due(stream, at(4), 0) for stream in "abc"] == [True, True, False]


def test_states_that_can_be_changed_in_place_are_not_cached() -> None:
    def evolve(state: list[int], event: int) -> list[int]:
        return [*state, event]

    with pytest.raises(UsageError) as refused:
        cache_for(Fold[list[int], int]("grown", list, evolve), 4)
    first, _, rest = str(refused.value).partition(": ")
    assert first == "states of fold 'grown' cannot be cached"
    assert rest.partition(", which ")[2] == (
        "can be changed in place. Make it a frozen dataclass or a frozen msgspec.Struct, with tuples and frozensets in it; or "
        "take no cache."
    )
    assert cache_for(accounts, 4).room == 4
