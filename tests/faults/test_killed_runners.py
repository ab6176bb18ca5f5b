"""Killed runners: whoever goes on, every event counts once in every read model, and every effect happens once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.killing import kill_loop


@pytest.mark.guarantee("G15")
def test_killed_runners_leave_the_fold_of_the_log(tmp_path: Path) -> None:
    killed = kill_loop(f"sqlite:///{tmp_path}/store.db", 25, seed=1)
    print(killed)
    assert killed.at_work >= 12


@pytest.mark.long
@pytest.mark.guarantee("G15")
@pytest.mark.parametrize("seed", range(5))
def test_hundreds_of_killed_runners_leave_the_fold_of_the_log(tmp_path: Path, seed: int) -> None:
    print(f"SQLite: {kill_loop(f'sqlite:///{tmp_path}/store.db', 200, seed=100 + seed)}")
