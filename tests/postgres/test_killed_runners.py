"""Runners on PostgreSQL, killed, stopped past their lease, replaced by a new version: nothing is lost, doubled or halved."""

from __future__ import annotations

import pytest
from tests.faults.killing import kill_loop
from tests.faults.processes import Process
from tests.faults.rebuilds import rebuild_loop
from tests.faults.zombies import LEASE, death_rounds, fencing_rounds, told


@pytest.mark.guarantee("G15")
def test_killed_runners_leave_the_fold_of_the_log(url: str) -> None:
    killed = kill_loop(url, 25, seed=1)
    print(killed)
    assert killed.at_work >= 12


@pytest.mark.guarantee("G17")
def test_who_was_stopped_past_its_lease_is_refused(url: str) -> None:
    fenced = fencing_rounds(url, 10, seed=1)
    print(fenced)
    assert fenced.refused >= 10


@pytest.mark.guarantee("G17")
def test_what_a_dead_runner_had_is_taken_over_within_its_lease_and_a_little(url: str) -> None:
    seconds = death_rounds(url, 5, seed=1)
    print(f"{len(seconds)} runners with a lease of {LEASE} s killed: {told(seconds)}")
    assert len(seconds) >= 3


@pytest.mark.guarantee("G20")
@pytest.mark.parametrize("effects", [False, True], ids=["plain", "effects"])
def test_readers_see_whole_states_while_versions_are_built_by_killed_runners(url: str, effects: bool) -> None:
    rebuilt = rebuild_loop(url, 1 + effects, seed=1, effects=effects)
    print(rebuilt)
    assert rebuilt.early


@pytest.mark.parametrize("plant", ["no_fence", "no_fence_and_no_position"])
def test_a_zombie_that_is_let_in_is_found(plant: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Process, "planted", plant)
    with pytest.raises(AssertionError, match="the zombie was let in"):
        fencing_rounds(url, 2, seed=1)


# Long ----------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.guarantee("G15")
@pytest.mark.parametrize("seed", range(5))
def test_hundreds_of_killed_runners_leave_the_fold_of_the_log(url: str, seed: int) -> None:
    print(f"PostgreSQL: {kill_loop(url, 200, seed=100 + seed)}")


@pytest.mark.long
@pytest.mark.guarantee("G17")
def test_hundreds_of_zombies_are_refused(url: str) -> None:
    print(f"PostgreSQL: {fencing_rounds(url, 200, seed=100)}")


@pytest.mark.long
@pytest.mark.guarantee("G17")
def test_hundreds_of_dead_runners_are_replaced(url: str) -> None:
    print(f"PostgreSQL: {told(death_rounds(url, 200, seed=100))}")


@pytest.mark.long
@pytest.mark.guarantee("G20")
@pytest.mark.parametrize("effects", [False, True], ids=["plain", "effects"])
def test_version_after_version_takes_its_place_whole(url: str, effects: bool) -> None:
    print(f"PostgreSQL: {rebuild_loop(url, 8, seed=100, effects=effects, kills=7)}")
