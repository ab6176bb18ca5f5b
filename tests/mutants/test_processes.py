"""Faults in what runs processes and sagas, planted: the check of each promise finds its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.killed_sagas import kill_loop
from tests.faults.planted_sagas import PLANTS
from tests.faults.processes import Process
from tests.faults.resting import rests
from tests.faults.scripted_sagas import whichever_call_fails
from tests.guarantees.golden.histories import FILES
from tests.guarantees.golden.programs import moved
from tests.guarantees.golden.restoring import contradictions_but_for_order, restored


def said_of(story: str) -> list[str]:
    """What is said when a runner dies at one call after the other."""
    try:
        return whichever_call_fails(story, "dead", same=False)[1]
    except AssertionError as error:  # found before anything failed
        return [str(error)]


@pytest.mark.mutant("new-key-for-each-attempt")
def test_steps_without_a_key_are_found_by_killing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Process, "planted", "steps_without_a_key")
    with pytest.raises(AssertionError, match=r"with \d keys"):
        kill_loop(f"sqlite:///{tmp_path}/store.db?durability=best-effort", 12, 3, seed=1)


@pytest.mark.mutant("running-without-due-time")
@pytest.mark.parametrize("plant", ["timers_without_a_time", "retries_without_a_time"])
def test_an_instance_that_waits_for_ever_is_found(plant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rests("sqlite:///:memory:", 9, seed=1)[2] == []
    PLANTS[plant](monkeypatch.setattr)
    assert any("waits, and nothing says until when" in wrong for wrong in rests("sqlite:///:memory:", 9, seed=1)[2])


@pytest.mark.mutant("undo-registered-after-success")
def test_an_undo_that_is_noted_only_after_success_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTS["undo_only_after_success"](monkeypatch.setattr)
    said = said_of("nobody knows whether the money was taken")
    assert any("is compensated with" in each for each in said), said


@pytest.mark.mutant("timer-before-its-time")
def test_timers_that_come_back_early_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTS["timers_early"](monkeypatch.setattr)
    said = said_of("all goes well")
    assert any("came back at" in each for each in said), said


@pytest.mark.mutant("results-found-by-order")
def test_results_that_are_found_by_the_order_of_steps_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with restored("sqlite:///:memory:", FILES[0], tmp_path) as there:
        PLANTS["results_found_by_order"](monkeypatch.setattr)
        some = there.go_on(moved)
        assert contradictions_but_for_order(there.store, some, there.world) != []
