"""Runners of sagas on PostgreSQL, killed and stopped past their lease: each saga ends, and nothing is done twice."""

from __future__ import annotations

import pytest
from tests.faults.killed_sagas import kill_loop
from tests.faults.stalled_sagas import stalled_round

pytestmark = [pytest.mark.guarantee("G21"), pytest.mark.guarantee("G22")]


def test_killed_runners_leave_no_saga_behind(url: str) -> None:
    killed = kill_loop(url, 40, 25, seed=1)
    print(killed)
    assert killed.at_work >= 10


@pytest.mark.parametrize("id", ["plain-1", "dumb-1"], ids=["when it is done", "when it is undone"])
def test_who_stalls_past_its_lease_is_refused(id: str, url: str) -> None:
    patience = "&" if "?" in url else "?"  # who stops within a transaction holds up the others for so long
    assert stalled_round(f"{url}{patience}busy_timeout=3", id) == (["stopped", "refused"], [])


@pytest.mark.long
def test_hundreds_of_killed_runners_leave_no_saga_behind(url: str) -> None:
    print(f"PostgreSQL: {kill_loop(url, 1_000, 500, seed=100)}")
