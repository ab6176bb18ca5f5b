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
    assert [every.is_due(at(version), 0) for version in (1, 2)] == [False, True]
    every.given_up = True
    assert every.is_due(at(2), 0) is False
    assert Saving(accounts, Snapshots(when=raising)).is_due(at(2), 0) is False
    assert Saving(accounts, Snapshots(every=2)).given_up is False


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
