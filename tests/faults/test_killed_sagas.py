"""Killed runners of sagas: whoever goes on, each ends, nothing is taken or given twice, and what was begun is undone."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.killed_sagas import kill_loop

pytestmark = [pytest.mark.guarantee("G21"), pytest.mark.guarantee("G22")]


def test_killed_runners_leave_no_saga_behind(tmp_path: Path) -> None:
    killed = kill_loop(f"sqlite:///{tmp_path}/store.db", 60, 25, seed=1)
    print(killed)
    assert killed.at_work >= 10


@pytest.mark.long
def test_hundreds_of_killed_runners_leave_no_saga_behind(tmp_path: Path) -> None:
    print(f"SQLite: {kill_loop(f'sqlite:///{tmp_path}/store.db', 1_000, 500, seed=100)}")
