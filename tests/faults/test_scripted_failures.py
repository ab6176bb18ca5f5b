"""Whichever call fails, and however: the work that goes on ends in the same read model."""

from __future__ import annotations

import pytest
from tests.faults.readmodels import PROJECTIONS
from tests.faults.scripted import WAYS, Way, first_wrong, rebuilt_with_a_failure, with_a_failure


@pytest.mark.guarantee("G15")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PROJECTIONS)
def test_whichever_call_fails_the_end_is_the_same(name: str, way: Way) -> None:
    calls, wrong = first_wrong(lambda at: with_a_failure(name, at, way))
    print(f"{name}: each of {calls - 1} calls {way}")
    assert wrong == []
    assert calls > 15


@pytest.mark.guarantee("G20")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("effects", [False, True], ids=["plain", "effects"])
def test_whichever_call_fails_the_new_version_takes_its_place_whole(effects: bool, way: Way) -> None:
    calls, wrong = first_wrong(lambda at: rebuilt_with_a_failure(at, way, effects=effects))
    print(f"a new version: each of {calls - 1} calls {way}")
    assert wrong == []
    assert calls > 10
