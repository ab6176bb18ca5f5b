"""Steps as values: what a saga's code asks for, and the keys and ids that are the same in each run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refold import InvalidName, Retry, Send, StepFailed, Steps, UsageError
from refold.steps import PATIENCE, Want
from refold.testing.contract.sample import Deposited, Withdrawn

AT = datetime(2026, 11, 30, tzinfo=UTC)
SEND, BACK = Send("stock", "1", "reserve"), Send("stock", "1", "release")


def steps(saga: str = "checkout", instance: str = "7") -> Steps:
    return Steps(saga, instance, lambda: AT)


def take(sku: str, count: int) -> str:
    return sku


def give_back(sku: str, count: int) -> None: ...


def test_a_step_is_wanted_with_all_that_brings_it_about() -> None:
    retry, minute = Retry(2), timedelta(minutes=1)
    full = steps().step("take", take, "book", 2, undo=give_back, retry=retry, timeout=minute, pivot=True)
    assert full.want == Want("take", "step", take, ("book", 2), give_back, None, None, None, retry, minute, pivot=True)
    plain = steps().step("take", take, "book", 2)
    assert plain.want == Want("take", "step", take, ("book", 2), None, None, None, None, Retry(), PATIENCE, pivot=False)
    assert timedelta(seconds=30) == PATIENCE


def test_commands_sleeps_and_signals_are_wanted_too() -> None:
    hour = timedelta(hours=1)
    wants = [
        steps().command("book", SEND).want,
        steps().command("book", SEND, undo=BACK, pivot=True).want,
        steps().sleep("cool off", hour).want,
        steps().wait_for("paid", Deposited).want,
        steps().wait_for("paid", Deposited, timeout=hour).want,
    ]
    assert wants == [
        Want("book", "command", command=SEND),
        Want("book", "command", command=SEND, undo=BACK, pivot=True),
        Want("cool off", "sleep", delay=hour),
        Want("paid", "signal", signal=Deposited),
        Want("paid", "signal", signal=Deposited, delay=hour),
    ]


def test_a_saga_waits_only_for_what_it_hears() -> None:
    hearing = Steps("checkout", "7", lambda: AT, hears=[Withdrawn, Deposited])
    assert hearing.wait_for("paid", Deposited).want == Want("paid", "signal", signal=Deposited)
    with pytest.raises(UsageError) as refused:
        Steps("checkout", "7", lambda: AT, hears=[Withdrawn]).wait_for("paid", Deposited)
    assert str(refused.value) == "saga 'checkout' waits for Deposited, and does not hear it: write hears=[Deposited]."


def test_a_saga_waits_for_a_class() -> None:
    wrong: Any = "Withdrawn"
    with pytest.raises(UsageError) as refused:
        Steps("checkout", "7", lambda: AT, hears=[Withdrawn]).wait_for("paid", wrong)
    assert str(refused.value) == (
        "saga 'checkout' waits for 'Withdrawn' as 'paid', and that is no class: write wait_for('paid', ThatEvent)."
    )


def test_each_step_has_a_name() -> None:
    made: list[Any] = [
        lambda: steps().step("", take, "book", 2),
        lambda: steps().command("", SEND),
        lambda: steps().sleep("", timedelta()),
        lambda: steps().wait_for("", Deposited),
    ]
    for make in made:
        with pytest.raises(InvalidName) as refused:
            make()
        assert (refused.value.kind, refused.value.name) == ("step name", "")


def test_the_code_is_given_what_each_step_came_to() -> None:
    waiting = steps().sleep("one", timedelta()).__await__()
    assert [want.name for want in next(waiting)] == ["one"]
    with pytest.raises(StopIteration) as done:
        waiting.send(["came"])
    assert done.value.value == "came"


def test_steps_side_by_side_are_wanted_at_once_and_give_all_that_came() -> None:
    s = steps()
    waiting: Any = s.parallel(s.sleep("one", timedelta()), s.sleep("two", timedelta())).__await__()
    assert [want.name for want in next(waiting)] == ["one", "two"]
    with pytest.raises(StopIteration) as done:
        waiting.send([1, 2])
    assert done.value.value == (1, 2)
    with pytest.raises(UsageError) as refused:
        s.parallel()
    assert str(refused.value) == "parallel() waits for nothing: give it the steps that should run side by side."


def test_keys_and_ids_are_the_same_in_each_run_and_others_for_another_name_instance_or_saga() -> None:
    s = steps()
    assert (s.key("take"), str(s.uuid("take"))) == (
        "ecd7062a-14b3-56a0-b1e3-b8034bcd519d",
        "982b31f5-08f5-5a7e-9473-a6dafd359b33",
    )
    made = [
        each
        for other in (s, steps("other"), steps(instance="8"))
        for each in (other.key("take"), str(other.uuid("take")))
    ]
    assert len({*made, s.key("pay"), str(s.uuid("pay"))}) == 8
    assert (s.id, s.now()) == ("7", AT)


def test_a_step_that_failed_tells_its_name_and_why() -> None:
    failed = StepFailed("take", "none left")
    assert (failed.name, failed.error, str(failed)) == ("take", "none left", "step 'take' failed: none left")
