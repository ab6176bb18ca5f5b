"""The contract of schedules bites: with one fault planted in them, the test that is there for it fails."""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from refold.flows.processes import scheduling
from refold.schedule import SCHEDULE, decide
from refold.testing import ManualClock
from refold.testing.contract import Place, StoreContract, Stores
from refold.testing.contract.scheduling import START

Plant = Callable[[pytest.MonkeyPatch], None]
Contradicted = (Exception, pytest.fail.Exception)

CONTRACT = StoreContract()


def written_anew(function: Any, old: str, new: str) -> Any:
    """A function of the module with one text of it in place of another."""
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{old!r} is not there once"
    names: dict[str, Any] = {}
    exec(source.replace(old, new), function.__globals__, names)  # noqa: S102 - our own source, with a fault in it
    return names[function.__name__]


def in_a_turn(old: str, new: str) -> Plant:
    return lambda patch: patch.setattr(scheduling, "_turn", written_anew(scheduling._turn, old, new))


def in_a_method(name: str, old: str, new: str) -> Plant:
    cls = scheduling.Scheduling
    return lambda patch: patch.setattr(cls, name, written_anew(getattr(cls, name), old, new))


def in_the_rules(old: str, new: str) -> Plant:
    planted = dataclasses.replace(SCHEDULE, decide=written_anew(decide, old, new))

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(scheduling, "SCHEDULE", planted)

    return plant


MISSED = "test_times_that_were_missed_are_made_up_for_as_was_said"
REPLACED = 'if planned.plan is not None:\n                yield ScheduleEnded(planned.round, "replaced")'
FAULTS: dict[str, tuple[Plant, str, dict[str, Any]]] = {
    "missed times are sent one by one": (in_a_turn("max(planned, now)", "planned"), MISSED, {"misfire": "once", "sent": 1}),
    "missed times are sent once": (in_a_turn('== "all"', '== "none"'), MISSED, {"misfire": "all", "sent": 5}),
    "nothing is ever skipped": (in_a_turn('!= "skip"', '!= "none"'), MISSED, {"misfire": "skip", "sent": 0}),
    "all commands go in one lane": (
        in_a_turn("lane=planned.isoformat()", 'lane=""'), "test_a_command_that_is_refused_is_parked_and_holds_up_nothing", {},
    ),
    "rounds have no end": (in_a_turn("round.turns < TURNS", "True"), "test_journals_do_not_grow_without_end", {}),
    "turns are not counted": (
        in_a_method("taken", "state.turns + 1", "0"), "test_journals_do_not_grow_without_end", {},
    ),
    "a new round begins anew": (
        in_a_method("reacting", "since or ", ""), "test_journals_do_not_grow_without_end", {},
    ),
    "what is done is set again": (
        in_the_rules("in (planned.plan, planned.done)", "== planned.plan"),
        "test_the_same_again_changes_nothing_and_sends_nothing_twice", {},
    ),
    "what was replaced goes on": (in_the_rules(REPLACED, "pass"), "test_what_is_set_anew_takes_the_place_of_what_was", {}),
    "what was removed goes on": (
        in_a_method("reacting", "return (Finish(),)", "return ()"), "test_what_was_removed_sends_nothing_any_more", {},
    ),
    "the decider does not come along": (
        lambda patch: patch.setattr(scheduling.Scheduling, "own", ()), "test_a_command_is_sent_at_its_time_and_once", {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_that_is_planted_in_schedules_is_found(fault: str, tmp_path: Path) -> None:
    plant, test, given = FAULTS[fault]
    await run(test, tmp_path / "healthy.db", given)  # so it is the fault that is found
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        with pytest.raises(Contradicted):
            await run(test, tmp_path / "planted.db", given)


async def run(test: str, path: Path, given: dict[str, Any]) -> None:
    """One test of the contract, on a store at a path."""
    stores = Stores(Place(url=f"sqlite:///{path}?durability=best-effort", durable=True, sql=True), "AsyncStore")
    method, hands = getattr(CONTRACT, test), ManualClock(START)
    try:
        with pytest.MonkeyPatch.context() as patch:
            fixtures = {"clocked": await stores.open(clock=hands), "hands": hands, "monkeypatch": patch, **given}
            await method(**{name: fixtures[name] for name in inspect.signature(method).parameters})
    finally:
        await stores.close()
