"""The rules of schedules: one plan for a name, and what an older round asks for no longer matters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from msgspec.structs import replace

from refold import InvalidName, Send, UsageError, command
from refold.schedule import (
    SCHEDULE,
    FinishSchedule,
    Plan,
    Planned,
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
    renewed = ScheduleSet(2, NIGHTLY, NOON)
    assert SCHEDULE([ScheduleSet(1, NIGHTLY), renewed]) == Planned(2, NIGHTLY, after=NOON)


def test_what_an_older_round_asks_for_no_longer_matters() -> None:
    replaced = given(ScheduleSet(1, NIGHTLY), ScheduleEnded(1, "replaced"), ScheduleSet(2, HOURLY))
    replaced.when(RenewSchedule(1, NOON)).then()
    replaced.when(FinishSchedule(1)).then()
    removed = given(ScheduleSet(1, NIGHTLY), ScheduleEnded(1, "removed"))
    removed.when(RenewSchedule(1, NOON)).then()
    removed.when(FinishSchedule(1)).then()


# Plans -----------------------------------------------------------------------


@command("report.make")
class Make:
    pages: int


LATER = datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))


def planned(**other: Any) -> Plan:
    said: dict[str, Any] = {
        "send": Send("report", "r", Make(3)),
        "cron": None,
        "timezone": "UTC",
        "at": None,
        "misfire": "once",
    }
    return Plan.of(**{**said, **other})


def test_a_plan_keeps_the_command_as_json_and_its_times_in_utc() -> None:
    made = Plan("report", "r", "report.make", 1, {"pages": 3})
    once = planned(at=LATER)
    assert once == replace(made, at=NOON)
    assert once.at is not None
    assert once.at.tzinfo is UTC  # also where the machine has a time zone of its own
    rome = planned(cron="0 3 * * *", timezone="Europe/Rome", misfire="all")
    assert rome == replace(made, cron="0 3 * * *", timezone="Europe/Rome", misfire="all")


def test_the_next_time_is_that_of_the_expression_in_its_time_zone_or_the_only_one() -> None:
    assert planned(cron="0 3 * * *", timezone="Europe/Rome").next_after(NOON) == datetime(2026, 1, 2, 2, tzinfo=UTC)
    assert planned(at=LATER).next_after(NOON + timedelta(days=1)) == NOON


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({}, "a schedule has times either by cron='0 3 * * *' or at=datetime(...), one of the two."),
        (
            {"cron": "0 3 * * *", "at": NOON},
            "a schedule has times either by cron='0 3 * * *' or at=datetime(...), one of the two.",
        ),
        ({"at": NOON, "misfire": "twice"}, "misfire='twice' is none of 'once', 'all' and 'skip'."),
        (
            {"at": datetime(2026, 1, 1, 12)},  # noqa: DTZ001 - on purpose
            "the schedule is due at 2026-01-01T12:00:00, which has no time zone: write datetime(..., tzinfo=UTC).",
        ),
        (
            {"at": NOON, "send": Send("report", "r", Make(3), "back")},
            "a schedule has nobody who would take 'back' back: send the command without otherwise(...).",
        ),
        (
            {"at": NOON, "timezone": "Europe/Atlantis"},
            "there is no time zone 'Europe/Atlantis' here: write one as 'Europe/Rome', or 'UTC'.",
        ),
        (
            {"at": NOON, "send": Send("report", "r", 7)},
            "<class 'int'> is no command: mark the class with @command(\"...\").",
        ),
    ],
    ids=["no time", "two times", "misfire", "no time zone", "a fallback", "unknown time zone", "no command"],
)
def test_what_can_never_be_sent_is_refused(other: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        planned(**other)
    assert str(refused.value) == told


def test_a_command_is_sent_to_somebody() -> None:
    with pytest.raises(InvalidName) as refused:
        planned(at=NOON, send=Send("", "r", Make(3)))
    assert refused.value.name == "-r"


def test_misfires_are_once_all_or_skip() -> None:
    assert [planned(at=NOON, misfire=each).misfire for each in ("once", "all", "skip")] == ["once", "all", "skip"]
