"""One owner for each partition: who comes back after its lease has run out is refused, and who dies is replaced at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.zombies import LEASE, death_rounds, fencing_rounds, told


@pytest.mark.guarantee("G17")
def test_who_was_stopped_past_its_lease_is_refused(tmp_path: Path) -> None:
    fenced = fencing_rounds(f"sqlite:///{tmp_path}/store.db", 10, seed=1)
    print(fenced)
    assert fenced.refused >= 10


@pytest.mark.guarantee("G17")
def test_what_a_dead_runner_had_is_taken_over_within_its_lease_and_a_little(tmp_path: Path) -> None:
    seconds = death_rounds(f"sqlite:///{tmp_path}/store.db", 5, seed=1)
    print(f"{len(seconds)} runners with a lease of {LEASE} s killed: {told(seconds)}")
    assert len(seconds) >= 3


@pytest.mark.long
@pytest.mark.guarantee("G17")
def test_hundreds_of_zombies_are_refused(tmp_path: Path) -> None:
    print(f"SQLite: {fencing_rounds(f'sqlite:///{tmp_path}/store.db', 200, seed=100)}")


@pytest.mark.long
@pytest.mark.guarantee("G17")
def test_hundreds_of_dead_runners_are_replaced(tmp_path: Path) -> None:
    print(f"SQLite: {told(death_rounds(f'sqlite:///{tmp_path}/store.db', 200, seed=100))}")
