"""These tests bite: with a fault planted in what runs processes, they find it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.planted_sagas import PLANTS
from tests.faults.processes import Process
from tests.faults.scripted_sagas import whichever_call_fails
from tests.faults.stalled_sagas import stalled_round

FOUND = {
    "inputs_in_pieces": ("all goes well", "begun are []"),
    "index_after_the_journal": ("all goes well", "it ended 0 times"),
    "timers_deleted_before_they_come_back": ("all goes well", "came back 0 times"),
    "timers_twice": ("it is undone", "came back"),
    "steps_without_a_key": ("all goes well", "charge was asked of plain-1 with 2 keys"),
    "commands_without_a_key_in_pieces": ("all goes well", "was served more than once"),
    "settled_in_pieces_by_new_ids": ("all goes well", "settled was what was not sent, or more than once"),
    "undo_in_order": ("it is undone", "to be undone is"),
    "undo_all_at_once": ("it is undone", "did not wait for"),
    "undone_after_the_pivot": ("it is stuck after the pivot", "is compensated with"),
    "what_is_delivered_stays_in_the_index": ("all goes well", "the index has"),
}
"""Each fault that a crash of one runner finds: in which story, and what is said of it."""


@pytest.mark.parametrize("plant", FOUND)
def test_a_planted_fault_is_found(plant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    story, said = FOUND[plant]
    PLANTS[plant](monkeypatch.setattr)
    try:
        _, wrong = whichever_call_fails(story, "dead", same=False)
    except AssertionError as error:  # found before anything failed
        wrong = [str(error)]
    assert any(said in each for each in wrong), wrong


def test_without_a_guard_who_stalled_is_let_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Process, "planted", "no_guard_when_settling")
    told, wrong = stalled_round(f"sqlite:///{tmp_path}/store.db", "plain-1")
    assert told == ["stopped", "let in"]
    assert any("settled was what was not sent, or more than once" in each for each in wrong)
