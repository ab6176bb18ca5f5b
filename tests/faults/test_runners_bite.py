"""These tests bite: with one fault planted, in this process or in all of those that it starts, they find it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.killing import kill_loop
from tests.faults.planted import PLANTS
from tests.faults.processes import Process
from tests.faults.rebuilds import rebuild_loop
from tests.faults.scripted import WAYS, first_wrong, rebuilt_with_a_failure, with_a_failure
from tests.faults.zombies import fencing_rounds

NEVER = 10**9


@pytest.mark.parametrize("plant", ["checkpoint_first", "checkpoint_last"])
@pytest.mark.parametrize("name", ["totals", "cards", "mails", "buckets"])
def test_a_checkpoint_in_a_transaction_of_its_own_is_found(
    plant: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert with_a_failure(name, NEVER, "busy") == (False, [])
    PLANTS[plant](monkeypatch.setattr)
    assert any(first_wrong(lambda at: with_a_failure(name, at, way))[1] for way in WAYS)  # noqa: B023 - called at once


@pytest.mark.parametrize("plant", ["effects_while_building", "no_effects_after_the_switch"])
def test_effects_too_often_or_never_are_found(plant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rebuilt_with_a_failure(NEVER, "busy", effects=True) == (False, [])
    PLANTS[plant](monkeypatch.setattr)
    _, wrong = rebuilt_with_a_failure(NEVER, "busy", effects=True)
    assert wrong


def test_a_switch_in_two_parts_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTS["a_switch_in_two_parts"](monkeypatch.setattr)
    with pytest.raises(
        ValueError, match="too many values"
    ):  # the read model shows the old version under the new one's role
        first_wrong(lambda at: rebuilt_with_a_failure(at, "busy", effects=False))


@pytest.mark.parametrize("plant", ["no_fence", "no_fence_and_no_position"])
def test_a_zombie_that_is_let_in_is_found(plant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Process, "planted", plant)
    with pytest.raises(AssertionError, match="the zombie was let in"):
        fencing_rounds(f"sqlite:///{tmp_path}/store.db", 2, seed=1)


def test_a_checkpoint_in_a_transaction_of_its_own_is_found_by_killing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Process, "planted", "checkpoint_last")
    for attempt in range(5):
        try:
            kill_loop(f"sqlite:///{tmp_path}/{attempt}.db", 15, seed=attempt, names=["totals", "mails"])
        except AssertionError as error:
            print(f"found in attempt {attempt + 1}: {str(error)[:300]}")
            return
    pytest.fail("five runs of 15 kills found nothing to complain about")


@pytest.mark.parametrize(
    ("plant", "effects"), [("a_switch_before_the_time", False), ("effects_of_what_the_other_did_not_come_to", True)]
)
def test_readers_find_a_switch_too_early_and_the_outbox_lost_effects(
    plant: str, effects: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Process, "planted", plant)
    with pytest.raises(AssertionError) as found:
        rebuilt_often(tmp_path, effects=effects)
    print(str(found.value)[:300])


def rebuilt_often(place: Path, *, effects: bool) -> None:
    """Five times; once is enough, mostly."""
    for attempt in range(5):
        rebuild_loop(f"sqlite:///{place}/{attempt}.db", 2, seed=attempt, effects=effects)
