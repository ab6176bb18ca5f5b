"""G22: compensation is whole and in reverse, steps of unknown outcome included.

Sagas call services that fail before or after their effect, are declined, or cannot be undone. Each call of the store fails in
turn, in each way: whoever goes on must write the very same journals, and bring the world outside to the same end. And whoever
stalls in the middle of a step for longer than its lease is refused when the others have finished, or undone, its saga.
"""

from __future__ import annotations

import pytest
from tests.faults.scripted_sagas import STORIES, WAYS, Way, whichever_call_fails
from tests.faults.stalled_sagas import stalled_round
from tests.guarantees.seeding import named
from tests.guarantees.telling import tell

pytestmark = [pytest.mark.guarantee("G22")]


def fail(way: Way, some: int | None) -> None:
    found = {story: whichever_call_fails(story, way, some=some) for story in STORIES}
    calls, wrong = (
        sum(count for count, _ in found.values()),
        {story: wrong for story, (_, wrong) in found.items() if wrong},
    )
    tell("G22", "sqlite", stories=len(STORIES), failed_calls=calls, fails=way, wrong=len(wrong))
    assert wrong == {}


@pytest.mark.guarantee("G21")
@pytest.mark.parametrize("way", WAYS)
def test_whichever_call_fails_the_journals_are_the_same_on_sqlite(way: Way) -> None:
    fail(way, 4)


@pytest.mark.long
@pytest.mark.guarantee("G21")
@pytest.mark.parametrize("way", WAYS)
def test_whichever_of_all_calls_fails_the_journals_are_the_same_on_sqlite(way: Way) -> None:
    fail(way, None)


@pytest.mark.parametrize("id", ["plain-1", "dumb-1"], ids=["when it is done", "when it is undone"])
def test_who_stalls_past_its_lease_is_refused(id: str, url: str) -> None:
    patience = "&" if "?" in url else "?"  # who stops within a transaction holds up the others for so long
    told, wrong = stalled_round(f"{url}{patience}busy_timeout=3", id)
    tell("G22", named(url), stalled=1, refused=told.count("refused"), let_in=told.count("let in"), wrong=len(wrong))
    assert (told, wrong) == (["stopped", "refused"], [])
