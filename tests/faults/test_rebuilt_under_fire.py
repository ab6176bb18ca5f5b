"""A new version, built by runners that are killed: readers see one state, whole, and never an earlier one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.rebuilds import rebuild_loop


@pytest.mark.guarantee("G20")
@pytest.mark.parametrize("effects", [False, True], ids=["plain", "effects"])
def test_readers_see_whole_states_while_versions_are_built_by_killed_runners(tmp_path: Path, effects: bool) -> None:
    rebuilt = rebuild_loop(f"sqlite:///{tmp_path}/store.db", 3, seed=1, effects=effects)
    print(rebuilt)
    assert rebuilt.early


@pytest.mark.long
@pytest.mark.guarantee("G20")
@pytest.mark.parametrize("effects", [False, True], ids=["plain", "effects"])
def test_dozens_of_versions_take_their_places_whole(tmp_path: Path, effects: bool) -> None:
    print(f"SQLite: {rebuild_loop(f'sqlite:///{tmp_path}/store.db', 30, seed=100, effects=effects, kills=7)}")
