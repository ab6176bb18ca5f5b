"""These tests bite: with one fault planted, in this process or in all of those that it starts, they find it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.planted import PLANTS
from tests.faults.processes import Process
from tests.faults.rebuilds import rebuild_loop
from tests.faults.scripted import rebuilt_with_a_failure

NEVER = 10**9


@pytest.mark.parametrize("plant", ["effects_while_building", "no_effects_after_the_switch"])
def test_effects_too_often_or_never_are_found(plant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rebuilt_with_a_failure(NEVER, "busy", effects=True) == (False, [])
    PLANTS[plant](monkeypatch.setattr)
    _, wrong = rebuilt_with_a_failure(NEVER, "busy", effects=True)
    assert wrong


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
