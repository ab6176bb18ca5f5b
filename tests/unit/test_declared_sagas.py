"""Declared sagas as values: each step with all that was said of it, and what its instance then waits for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from refold import InvalidName, Retry, Saga, Send, Steps, UsageError, saga
from refold.process import by_stream_id
from refold.sagas import Declared
from refold.steps import PATIENCE, Want
from refold.testing.contract.sample import Deposited, Withdrawn

EVENT = Deposited(3)
RETRY, MINUTE = Retry(8), timedelta(minutes=1)


def charge(event: Deposited, key: str) -> int:
    return event.amount


def refund(event: Deposited, key: str) -> None: ...


def reserve(event: Deposited) -> Send:
    return Send("stock", "1", event.amount)


def release(event: Deposited) -> Send:
    return Send("stock", "1", -event.amount)


def begun() -> Saga[Deposited]:
    return Saga("paying", Deposited)


def steps() -> Steps:
    return Steps("paying", "7", lambda: datetime(2026, 11, 30, tzinfo=UTC))


def test_steps_are_declared_one_after_the_other_with_all_that_is_said_of_them() -> None:
    one = begun().step(charge, undo=refund, retry=RETRY, timeout=MINUTE, pivot=True)
    two = one.command("reserve", reserve, undo=release, pivot=True).step(charge, name="again").command("take", reserve)
    assert two.stages == (
        (Declared("charge", charge, refund, None, None, RETRY, MINUTE, pivot=True),),
        (Declared("reserve", None, None, reserve, release, pivot=True),),
        (
            Declared(
                "again", charge, None, None, None, one.step(charge, name="x").stages[1][0].retry, PATIENCE, pivot=False
            ),
        ),
        (Declared("take", None, None, reserve, None, pivot=False),),
    )
    assert (two.name, two.begins, two.version, two.hears) == ("paying", Deposited, 1, ())
    assert [step.can_be_undone for stage in two.stages for step in stage] == [True, True, False, False]


def test_a_declared_step_is_wanted_for_an_instance() -> None:
    step = Declared("charge", charge, refund, retry=RETRY, timeout=MINUTE, pivot=True)
    key = steps().key("charge")
    want = Want("charge", "step", charge, (EVENT, key), refund, None, None, None, RETRY, MINUTE, pivot=True)
    assert step.of(steps(), EVENT).want == want
    command = Declared("reserve", send=reserve, unsend=release, pivot=True).of(steps(), EVENT).want
    assert command == Want("reserve", "command", command=reserve(EVENT), undo=release(EVENT), pivot=True)
    plain = Declared("reserve", send=reserve).of(steps(), EVENT).want
    assert plain == Want("reserve", "command", command=reserve(EVENT), undo=None, pivot=False)


async def code(s: Steps, order: Deposited) -> None: ...


def test_plain_code_is_a_saga_with_all_that_was_said_of_it() -> None:
    def key(event: Any) -> str:
        return "k"

    full, plain = saga("paying", version=3, hears=[Withdrawn], key=key)(code), saga("paying")(code)
    assert full == Saga("paying", version=3, hears=(Withdrawn,), key=key, code=code)
    assert plain == Saga("paying", version=1, hears=(), key=by_stream_id, code=code)
    assert full.event_types == (Deposited, Withdrawn)


def test_what_can_be_no_saga_is_refused() -> None:
    nameless: Any = partial(charge)
    with pytest.raises(UsageError, match="saga 'paying' has two steps named 'charge': give one another"):
        begun().step(charge).step(charge)
    with pytest.raises(InvalidName) as refused:
        begun().step(nameless)
    assert (refused.value.kind, refused.value.name) == ("step name", "")
    with pytest.raises(InvalidName) as unnamed:
        Saga("", Deposited)
    assert (unnamed.value.kind, unnamed.value.name) == ("saga name", "")


def test_a_drawing_undoes_nothing_behind_the_pivot() -> None:
    drawn = (
        begun().step(charge, undo=refund).step(charge, name="pay", pivot=True).step(charge, name="ship", undo=refund)
    )
    assert "undo ship" not in drawn.diagram()
    assert "compensated" not in begun().step(charge).diagram()
