"""A saga's code run again: what it waits for, what it was given, and how it ended, as it follows from the record."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refold import Saga, SagaAborted, StepFailed, Steps, StepTimedOut, UsageError, saga
from refold.replaying import Broken, Completed, Record, Result, Run, Waiting, returned
from refold.steps import Step
from refold.testing.contract.sample import Deposited, Withdrawn

BEGAN = datetime(2026, 11, 30, tzinfo=UTC)
LATER, LAST = BEGAN + timedelta(hours=1), BEGAN + timedelta(hours=2)


def count(of: int) -> tuple[int, ...]:
    return (of,)


class Till:
    def paid(self, of: int) -> frozenset[int]:
        return frozenset({of})


def run(saga: Saga[Any], heard: Any = (), **results: Result) -> Run:
    return Run(saga, "7", Record(Deposited(3), BEGAN, results, heard))


@saga("counting")
async def counting(s: Steps, event: Deposited) -> Any:
    one: Step[Any] = s.step("one", count, event.amount)
    two: Step[Any] = s.step("two", Till().paid, 1)
    first, second = await s.parallel(one, two)
    return first, second, s.now()


def test_code_waits_for_what_has_no_result() -> None:
    fresh, half = run(counting), run(counting, one=Result(LATER, [3]))
    assert isinstance(fresh.ending, Waiting)
    assert ([want.name for want in fresh.ending.wants], list(fresh.met), list(fresh.open)) == ([*("one", "two")],) * 3
    assert (list(half.open), half.now) == (["two"], BEGAN)


def test_code_goes_on_with_results_as_what_its_functions_return() -> None:
    done = run(counting, one=Result(LAST, [3]), two=Result(LATER, [1]))
    assert done.ending == Completed(((3,), frozenset({1}), LAST))
    assert (done.open, done.now) == ({}, LAST)


def test_a_step_that_was_skipped_gives_none_whatever_its_function_returns() -> None:
    done = run(counting, one=Result(LATER, skipped=True), two=Result(LAST, [1]))
    assert done.ending == Completed((None, frozenset({1}), LAST))


@saga("failing")
async def failing(s: Steps, event: Deposited) -> str:
    try:
        await s.step("one", count, 1)
    except StepTimedOut as late:
        raise SagaAborted(f"{late.name} was late") from late
    except StepFailed as failed:
        return f"{failed.name} {failed.error}"
    await s.step("two", count, 1)
    return ""


def test_a_failure_is_raised_where_the_code_waits() -> None:
    assert run(failing, one=Result(LATER, error="none left")).ending == Completed("one none left")
    assert run(failing, one=Result(LATER, error="", timed_out=True)).ending == Broken("SagaAborted: one was late")
    two = run(failing, one=Result(LATER, [1]), two=Result(LATER, error="no"))
    assert two.ending == Broken("step 'two' failed: no")
    silent = run(failing, one=Result(LATER, [1]), two=Result(LATER, error=""))
    assert silent.ending == Broken("step 'two' failed: ")


@saga("hearing", hears=[Withdrawn])
async def hearing(s: Steps, event: Deposited) -> Any:
    return [await s.wait_for(name, Withdrawn) for name in ("first", "second")]


def test_what_was_heard_is_given_once_in_its_order() -> None:
    one, two = Withdrawn(1), Withdrawn(2)
    assert run(hearing, [(LATER, EVENT), (LATER, one), (LAST, two)]).ending == Completed([one, two])
    half = run(hearing, [(LATER, one)])
    assert (list(half.open), half.now) == (["second"], LATER)
    timed_out = run(hearing, [(LATER, one)], second=Result(LAST, error="too late", timed_out=True))
    assert timed_out.ending == Broken("step 'second' failed: too late")


EVENT = Deposited(9)


@saga("twice")
async def twice(s: Steps, event: Deposited) -> None:
    await s.sleep("one", timedelta())
    await s.sleep("one", timedelta())


@saga("told")
async def told(s: Steps, event: Deposited) -> Any:
    plain: Step[Any] = s.step("plain", lambda: 1)
    return [s.id, s.key("x"), await plain]


@saga("silent")
async def silent(s: Steps, event: Deposited) -> int:
    return event.amount


def test_code_knows_whose_it_is_and_a_result_without_annotation_is_as_it_was_kept() -> None:
    done, key = run(told, plain=Result(LATER, [1])), Steps("told", "7", lambda: BEGAN).key("x")
    assert done.ending == Completed(["7", key, [1]])
    assert done.met["plain"].name == "plain"
    ended = run(silent)
    assert (ended.ending, ended.met, ended.open, ended.now) == (Completed(3), {}, {}, BEGAN)


def test_a_name_stands_for_one_step_of_a_run() -> None:
    with pytest.raises(UsageError) as refused:
        run(twice, one=Result(LATER))
    assert str(refused.value) == "saga 'twice' takes step 'one' twice in one run: each needs a name of its own."
    assert isinstance(run(twice).ending, Waiting)


def test_what_a_function_returns_is_read_from_its_annotation_if_it_can_be() -> None:
    def unknown() -> Nowhere: ...  # type: ignore[name-defined]  # noqa: F821

    assert (returned(count), returned(Till().paid)) == (tuple[int, ...], frozenset[int])
    assert (returned(lambda: 1), returned(unknown), returned(7)) == (None, None, None)


@saga("locking")
async def locking(s: Steps, event: Deposited) -> int:
    try:
        await s.step("work", count, 1)
    finally:
        s.step("not awaited", count, 1)
        await s.step("unlock", count, 2)
    return event.amount


@asynccontextmanager
async def locked(s: Steps) -> AsyncGenerator[None]:
    await s.step("lock", count, 1)
    try:
        yield
    finally:
        await s.step("unlock", count, 1)


@saga("managed")
async def managed(s: Steps, event: Deposited) -> int:
    async with locked(s):
        await s.step("work", count, 1)
    return event.amount


@saga("bare")
async def bare(s: Steps, event: Deposited) -> int:
    try:
        await s.step("work", count, 1)
    except:  # noqa: E722 - that is what is looked at
        await s.step("unlock", count, 1)
        raise ValueError("any") from None
    return event.amount


DONE, FAILED = Result(LATER, [1]), Result(LATER, error="no")


@pytest.mark.parametrize("code", [locking, bare], ids=["finally", "a bare except"])
def test_code_that_is_left_where_it_waits_takes_no_step_on_its_way_out(code: Saga[Any]) -> None:
    fresh = run(code)
    assert (list(fresh.met), list(fresh.open), fresh.forgotten) == (["work"], ["work"], [])


def test_a_step_in_finally_is_taken_after_success_and_after_a_failure() -> None:
    assert [list(run(locking, work=work).open) for work in (DONE, FAILED)] == [["unlock"]] * 2
    assert run(locking, work=DONE, unlock=DONE).ending == Completed(3)
    assert run(locking, work=FAILED, unlock=DONE).ending == Broken("step 'work' failed: no")


def test_a_context_may_take_steps_when_it_is_entered_and_left() -> None:
    assert list(run(managed).open) == ["lock"]
    assert list(run(managed, lock=DONE).open) == ["work"]
    assert [list(run(managed, lock=DONE, work=work).open) for work in (DONE, FAILED)] == [["unlock"]] * 2
    assert run(managed, lock=DONE, work=DONE, unlock=DONE).ending == Completed(3)
    assert run(managed, lock=DONE, work=FAILED, unlock=DONE).ending == Broken("step 'work' failed: no")


def test_code_that_goes_on_whatever_is_raised_is_an_error() -> None:
    @saga("stubborn")
    async def stubborn(s: Steps, event: Deposited) -> None:
        for n in range(event.amount):
            try:
                await s.sleep(f"{n}", timedelta())
            except BaseException:  # noqa: S112 - that is what is looked at
                continue

    assert list(Run(stubborn, "7", Record(Deposited(1_000))).open) == ["0"]
    with pytest.raises(UsageError, match="saga 'stubborn' goes on whatever is raised: let its code catch StepFailed"):
        Run(stubborn, "7", Record(Deposited(1_001)))
