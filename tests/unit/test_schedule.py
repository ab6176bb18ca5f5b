"""The rules of schedules: one plan for a name, and what an older round asks for no longer matters."""

from __future__ import annotations

from datetime import UTC, datetime

from refold.schedule import (
    SCHEDULE,
    FinishSchedule,
    Plan,
    RemoveSchedule,
    RenewSchedule,
    ScheduleEnded,
    ScheduleSet,
    SetSchedule,
)
from refold.testing import spec

NIGHTLY = Plan("report", "r", "report.make", 1, {}, cron="0 3 * * *")
HOURLY = Plan("report", "r", "report.make", 1, {}, cron="0 * * * *")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

given = spec(SCHEDULE)


def test_a_plan_holds_until_another_one_or_none_is_set() -> None:
    given().when(SetSchedule(NIGHTLY)).then(ScheduleSet(1, NIGHTLY))
    given(ScheduleSet(1, NIGHTLY)).when(SetSchedule(NIGHTLY)).then()
    given(ScheduleSet(1, NIGHTLY)).when(SetSchedule(HOURLY)).then(ScheduleEnded(1, "replaced"), ScheduleSet(2, HOURLY))
    given(ScheduleSet(1, NIGHTLY)).when(RemoveSchedule()).then(ScheduleEnded(1, "removed"))
    given().when(RemoveSchedule()).then()
    given(ScheduleSet(1, NIGHTLY), ScheduleEnded(1, "removed")).when(RemoveSchedule()).then()


def test_what_was_removed_may_be_set_again_and_what_is_done_is_done() -> None:
    removed = given(ScheduleSet(1, NIGHTLY), ScheduleEnded(1, "removed"))
    removed.when(SetSchedule(NIGHTLY)).then(ScheduleSet(2, NIGHTLY))
    done = given(ScheduleSet(1, NIGHTLY), ScheduleEnded(1, "done"))
    done.when(SetSchedule(NIGHTLY)).then()
    done.when(SetSchedule(HOURLY)).then(ScheduleSet(2, HOURLY))


def test_a_round_is_followed_by_the_next_one() -> None:
    given(ScheduleSet(1, NIGHTLY)).when(RenewSchedule(1, NOON)).then(ScheduleSet(2, NIGHTLY, NOON))
    given(ScheduleSet(1, NIGHTLY)).when(FinishSchedule(1)).then(ScheduleEnded(1, "done"))


def test_what_an_older_round_asks_for_no_longer_matters() -> None:
    replaced = given(ScheduleSet(1, NIGHTLY), ScheduleEnded(1, "replaced"), ScheduleSet(2, HOURLY))
    replaced.when(RenewSchedule(1, NOON)).then()
    replaced.when(FinishSchedule(1)).then()
    removed = given(ScheduleSet(1, NIGHTLY), ScheduleEnded(1, "removed"))
    removed.when(RenewSchedule(1, NOON)).then()
    removed.when(FinishSchedule(1)).then()
