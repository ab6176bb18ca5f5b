"""Whichever call of the store fails, and however: the journals, and what happened outside, are as if none had."""

from __future__ import annotations

import pytest
from tests.faults.scripted_sagas import STORIES, WAYS, Way, whichever_call_fails

pytestmark = [pytest.mark.guarantee("G21"), pytest.mark.guarantee("G22")]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("story", STORIES)
def test_whichever_call_fails_the_journals_are_the_same(story: str, way: Way) -> None:
    calls, wrong = whichever_call_fails(story, way, some=8)
    print(f"{story}: {calls} calls {way}")
    assert wrong == []


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("story", STORIES)
def test_whichever_of_all_calls_fails_the_journals_are_the_same(story: str, way: Way) -> None:
    calls, wrong = whichever_call_fails(story, way)
    print(f"{story}: each of {calls} calls {way}")
    assert wrong == []
